// The table of volumes. Only the rows in sight are elements; all rows have one height, which the style sheet sets.

const COLUMNS = [
  ["computer", "Computer"], ["volume", "Volume"], ["verdict", "Verdict"], ["flags", "Flags"], ...stores.map(({ word, short }) => [`in.${word}`, short]),
  ["observed", "Observed"], ["findings", "Findings"],
];
const SPARE = 12;
const PRINTED = 2000;

const verdictMark = (verdict) =>
  verdict === null ? el("span", { class: "quiet" }, "out of scope") : el("span", { class: `dot of-${verdictClass.get(verdict)}`, title: verdictMeaning.get(verdict) }, spaced(verdict));

/** A state with its mark; what is merely not there is no alarm where the key need not be there. */
function stateMark(store, state, passes) {
  const idle = (state === "absent" || state === "deleted") && (passes || !(storeOf.get(store) || { required: false }).required);
  return el("span", { class: `dot of-${idle ? "rest" : stateClass(state)}`, title: (data.words.states[state] || ["", ""])[1] }, spaced(state));
}

/** The states of a volume's keys in one store, or how many entries of a computer without volumes lie there. */
function storeCell(row, { word, short }) {
  const states = [...row.held.states.get(word)];
  const entries = row.entriesIn(word);
  const [best, ...others] = states.sort((one, other) => (stateOrder.get(other) ?? 0) - (stateOrder.get(one) ?? 0));
  const passes = row.class === "pass" && !row.flags.includes("sibling_not_escrowed");
  // keys of one volume in several states: the best, as in the verdict, and how many others there are
  const more = others.length ? el("span", { title: states.map(spaced).join(", ") }, ` +${others.length}`, el("span", { class: "hidden" }, ` ${others.map(spaced).join(", ")}`)) : null;
  const said = best ? [stateMark(word, best, passes), more] : entries ? counted(entries, "entry", "entries") : null;
  return el("div", { role: "cell", class: "store small" }, said && el("span", { class: "narrow-word" }, `${short} `), said);
}

function findingsCell(row) {
  if (!row.findings.length) return "";
  const worst = row.findings.filter((f) => severityOrder.get(text(f[1])) === row.severity)[0];
  const more = row.findings.length > 1 ? ` +${row.findings.length - 1}` : "";
  return `${text(worst[0])}${more}`;
}

class Table {
  constructor(place, onSort) {
    this.items = [];
    this.shown = new Map();
    this.closed = new Set();
    this.height = 40;
    this.body = el("div", { class: "rows", role: "rowgroup" });
    this.heads = COLUMNS.map(([key, label]) => el("div", { role: "columnheader", class: key.replace(/^in\..*/, "store") }, el("button", { type: "button", onclick: () => onSort(key) }, label)));
    const [before, ofStores, after] = [this.heads.slice(0, 4), this.heads.slice(4, -2), this.heads.slice(-2)];
    const head = el("div", { role: "rowgroup" }, el("div", { role: "row", class: "head", "aria-rowindex": "1" }, before, el("div", { class: "in-stores" }, ofStores), after));
    this.empty = el("p", { class: "empty", hidden: true }, rows.length ? "No volume matches these filters." : "The report lists no computer.");
    this.grid = el("div", { class: "grid", role: "table", "aria-labelledby": "table-title" }, head, this.body);
    this.grid.style.setProperty("--stores", String(stores.length));
    this.cut = el("p", { class: "cut", hidden: true });
    place.replaceChildren(this.cut, this.grid, this.empty);
    // the header sticks only if nothing between it and the page scrolls
    head.style.display = "contents";
    let waiting = false;
    const later = () => {
      if (!waiting) requestAnimationFrame(() => { waiting = false; this.draw(); });
      waiting = true;
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    addEventListener("beforeprint", () => this.draw(true));
    addEventListener("afterprint", () => this.draw());
    this.body.addEventListener("keydown", (event) => this.move(event));
    this.body.addEventListener("focusin", (event) => this.keepClear(event.target));
  }

  /** Show these rows, sorted already, in groups if a grouping is named. */
  show(list, view) {
    this.list = list;
    this.view = view;
    const grouping = groupings[view.group];
    this.items = grouping ? this.grouped(list, grouping) : list.map((row) => ({ row }));
    for (const [place, [key]] of COLUMNS.entries()) {
      const mine = key === view.sort;
      this.heads[place].setAttribute("aria-sort", mine ? (view.descending ? "descending" : "ascending") : "none");
    }
    this.grid.setAttribute("aria-rowcount", this.items.length + 1);
    this.empty.hidden = list.length > 0;
    this.cut.hidden = this.items.length <= PRINTED;
    this.cut.textContent = `Only the first ${PRINTED.toLocaleString("en-US")} of ${counted(this.items.length, "row")} are printed. Filter the table to print others.`;
    this.grid.hidden = list.length === 0;
    this.body.replaceChildren();
    this.shown.clear();
    this.draw();
  }

  grouped(list, grouping) {
    const groups = new Map();
    for (const row of list) {
      const title = grouping.title(row);
      if (!groups.has(title)) groups.set(title, { title, order: grouping.order(row), rows: [] });
      groups.get(title).rows.push(row);
    }
    const ordered = [...groups.values()].sort((one, other) => compareKeys(one.order, other.order));
    return ordered.flatMap((group) => [{ group }, ...(this.closed.has(group.title) ? [] : group.rows.map((row) => ({ row })))]);
  }

  /** Make elements for what is in sight (or for printing: for everything, up to a bound) and drop the others. */
  draw(all = false) {
    const probe = getComputedStyle(document.documentElement).getPropertyValue("--row");
    this.height = parseFloat(probe) * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.body.style.height = `${this.items.length * this.height}px`;
    const box = this.body.getBoundingClientRect();
    const first = all ? 0 : Math.max(0, Math.floor(-box.top / this.height) - SPARE);
    const last = all ? Math.min(this.items.length, PRINTED) : Math.min(this.items.length, Math.ceil((innerHeight - box.top) / this.height) + SPARE);
    for (const [index, element] of this.shown) {
      const needed = (index >= first && index < last) || element.contains(document.activeElement);
      if (!needed) {
        element.remove();
        this.shown.delete(index);
      }
    }
    let before = this.body.firstElementChild;
    while (before && +before.dataset.index < first) before = before.nextElementSibling;
    for (let index = first; index < last; index++) {
      let element = this.shown.get(index);
      if (!element) {
        element = this.element(index);
        this.shown.set(index, element);
        this.body.insertBefore(element, before);
      } else {
        before = element.nextElementSibling;
      }
      element.style.transform = `translateY(${index * this.height}px)`;
    }
  }

  element(index) {
    const { row, group } = this.items[index];
    const made = group ? this.groupElement(group) : this.rowElement(row);
    made.dataset.index = index;
    made.setAttribute("aria-rowindex", index + 2);
    return made;
  }

  groupElement(group) {
    const open = !this.closed.has(group.title);
    const toggle = () => {
      if (open) this.closed.add(group.title);
      else this.closed.delete(group.title);
      this.show(this.list, this.view);
      const index = this.items.findIndex((item) => item.group && item.group.title === group.title);
      if (this.shown.has(index)) this.shown.get(index).querySelector("button").focus();
    };
    const label = el("button", { type: "button", "aria-expanded": String(open), onclick: toggle }, datum(group.title), el("span", { class: "small" }, ` ${counted(group.rows.length, "row")}`));
    return el("div", { role: "row", class: "group" }, el("div", { role: "cell", "aria-colspan": String(COLUMNS.length) }, label));
  }

  rowElement(row) {
    const cell = (name, ...children) => el("div", { role: "cell", class: name }, children);
    const observed = row.c[4] !== null ? text(row.c[4]) : row.c[3] ? row.c[3].slice(0, 10) : "never";
    return el(
      "div",
      { role: "row" },
      cell("name", el("a", { href: `#${new URLSearchParams({ computer: row.name })}`, title: row.name }, datum(row.name))),
      cell("volume", row.v ? datum(row.label, { title: row.label }) : el("span", { class: "quiet" }, "none listed")),
      cell("verdict-cell", verdictMark(row.verdict)),
      cell("flags small", row.flags.map(spaced).join(", ")),
      el("div", { class: "in-stores" }, stores.map((store) => storeCell(row, store))),
      cell("observed small", observed),
      cell("findings small", findingsCell(row)),
    );
  }

  /** Arrow keys walk from row to row, also to rows that are not elements yet. */
  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const from = event.target.closest("[role=row]");
    if (!step || !from || event.altKey || event.ctrlKey || event.metaKey) return;
    const index = +from.dataset.index + step;
    if (index < 0 || index >= this.items.length) return;
    event.preventDefault();
    this.focus(index);
  }

  /** Bring the item into sight and focus its link or button. */
  focus(index) {
    const head = this.heads[0].parentElement.getBoundingClientRect().height;
    const top = this.body.getBoundingClientRect().top + index * this.height;
    if (top < head) scrollBy(0, top - head);
    else if (top + this.height > innerHeight) scrollBy(0, top + this.height - innerHeight);
    this.draw();
    this.shown.get(index).querySelector("a, button").focus({ preventScroll: true });
  }

  /** A row that got the focus is not left under the header that sticks. */
  keepClear(target) {
    const head = this.heads[0].parentElement.getBoundingClientRect();
    const box = target.getBoundingClientRect();
    if (head.bottom > 0 && box.top < head.bottom && box.bottom > 0) scrollBy(0, box.top - head.bottom);
  }
}
