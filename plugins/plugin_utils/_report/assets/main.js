// The view is the address's fragment: filters and sorting of the table, or the name of a computer.

const FILTERS = ["q", "verdict", "flag", "state", "code", "change", "group"];
const title = document.title;
const controls = {};
let view = { sort: "verdict", descending: false };
let matching = [];
let listHash = "#";
let place = 0;

/** The view that a fragment describes; what it does not name is not filtered. */
function readView(given) {
  const found = { sort: "verdict", descending: false };
  for (const name of FILTERS) found[name] = given.get(name) || "";
  const sort = given.get("sort") || "";
  if (sort.replace(/^-/, "") in sortKeys) {
    found.sort = sort.replace(/^-/, "");
    found.descending = sort.startsWith("-");
  }
  return found;
}

/** The fragment of a view. */
function fragment(of) {
  const given = new URLSearchParams();
  for (const name of FILTERS) if (of[name]) given.set(name, of[name]);
  const sort = (of.descending ? "-" : "") + of.sort;
  if (sort !== "verdict") given.set("sort", sort);
  return `#${given}`;
}

function drawTable() {
  matching = sorted(filtered(view), view.sort, view.descending);
  table.show(matching, view);
  const whole = matching.length === rows.length;
  byId("count").textContent = whole ? counted(rows.length, "row") : `${matching.length.toLocaleString("en-US")} of ${counted(rows.length, "row")}`;
  controls.export.disabled = matching.length === 0;
  controls.reset.disabled = FILTERS.every((name) => !view[name]) && view.sort === "verdict" && !view.descending;
}

/** A control changed: show it, and say so in the address without a step in the history. */
function adjust(changes) {
  view = { ...view, ...changes };
  listHash = fragment(view);
  history.replaceState(null, "", listHash);
  showControls();
  drawTable();
}

function showControls() {
  for (const name of FILTERS) {
    if (controls[name].value === view[name]) continue;
    controls[name].value = view[name];
    if (controls[name].value !== view[name]) {
      // a word of an address that no volume has: offered, so that the control says what is filtered
      controls[name].append(el("option", { value: view[name] }, view[name]));
      controls[name].value = view[name];
    }
  }
  controls.sort.value = (view.descending ? "-" : "") + view.sort;
}

/** What the address says, from a link, the history or a bookmark. */
function route(first) {
  const given = new URLSearchParams(location.hash.slice(1));
  const name = given.get("computer");
  const inList = name === null;
  if (!inList && byId("computer").hidden) place = scrollY;
  const returning = inList && byId("report").hidden && location.hash === (listHash === "#" ? "" : listHash);
  byId("report").hidden = !inList;
  byId("computer").hidden = inList;
  document.title = inList ? title : `${name} \u2013 ${title}`;
  if (!inList) {
    const heading = showComputer(byId("computer"), name, listHash);
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
    return;
  }
  view = readView(given);
  listHash = fragment(view);
  showControls();
  drawTable();
  if (returning) {
    scrollTo(0, place);
    table.draw();
  } else if (!first || [...given.keys()].some((key) => FILTERS.includes(key))) {
    if (listHash === "#") scrollTo(0, 0);
    else showTable(!first);
  }
}

function showTable(focus) {
  byId("table-title").scrollIntoView({ block: "start" });
  table.draw();
  if (focus) byId("table-title").focus({ preventScroll: true });
}

function save() {
  const link = el("a", { href: URL.createObjectURL(new Blob([toCsv(matching)], { type: "text/csv;charset=utf-8" })), download: "escrow-report-filtered.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** "entra:not_in" as "not in Entra", "ad:no_object" as "no object in AD", "ad:absent" as "absent in AD". */
function inStore(word) {
  const [store, state] = [word.slice(0, word.lastIndexOf(":")), word.slice(word.lastIndexOf(":") + 1)];
  const name = storeOf.has(store) ? storeOf.get(store).short : store;
  return state === "in" || state === "not_in" ? `${spaced(state)} ${name}` : `${spaced(state)} in ${name}`;
}

/** Whether it is there at all comes before its states, store by store. */
function storePlace(word) {
  const [store, state] = word.split(":");
  return 10 * stores.findIndex((item) => item.word === store) + (["not_in", "in", "no_object"].indexOf(state) + 1 || 9);
}

function buildControls() {
  const option = ([value, label]) => el("option", { value }, label);
  const chosen = (event) => adjust({ [event.target.name]: event.target.value });
  const choice = (name, label, all, options, extra) => {
    controls[name] = el("select", { name, onchange: chosen }, option(["", all]), options.map(option));
    return el("label", { class: extra || "" }, label, controls[name]);
  };
  const withCount = (word, count) => `${spaced(word)} (${count.toLocaleString("en-US")})`;
  const classes = Object.entries(data.words.classes).map(([name, label]) => [`class:${name}`, `All: ${label.toLowerCase()}`]);
  const verdicts = tally((row) => [row.verdict || "none"]).sort(([one], [other]) => (verdictOrder.get(one) ?? 99) - (verdictOrder.get(other) ?? 99));
  const named = verdicts.map(([word, count]) => [word, withCount(word === "none" ? "out_of_scope" : word, count)]);
  const states = tallyHeld().map(([word, count]) => [word, withCount(inStore(word), count)]).sort(([one], [other]) => storePlace(one) - storePlace(other));
  const codes = tally((row) => row.codes).map(([code, count]) => [code, `${code} ${withCount(data.words.codes[code] || "", count)}`]);
  const sorts = COLUMNS.flatMap(([key, label]) => [[key, label], [`-${key}`, `${label}, reversed`]]);

  controls.q = el("input", {
    type: "search", name: "q", autocomplete: "off", spellcheck: "false", placeholder: "Name, key ID, serial, code",
    oninput: chosen,
  });
  controls.sort = el("select", { name: "sort", onchange: (event) => adjust({ sort: event.target.value.replace(/^-/, ""), descending: event.target.value.startsWith("-") }) }, sorts.map(option));
  controls.reset = el("button", { type: "button", onclick: () => adjust(readView(new URLSearchParams())) }, "Reset");
  controls.export = el("button", { type: "button", onclick: save }, "Export CSV");
  const changeWords = { worse: "passes no more", better: "passes now", other: "another verdict", new: "new" };
  const changes = tally((row) => (row.change ? [row.change] : [])).map(([word, count]) => [word, withCount(changeWords[word] || word, count)]);
  byId("controls").append(
    el("label", { class: "search" }, "Search", controls.q),
    choice("verdict", "Verdict", "Any", [...classes, ...named]),
    choice("flag", "Flag", "Any", tally((row) => row.flags).map(([word, count]) => [word, withCount(word, count)])),
    choice("state", "Store", "Any", states),
    choice("code", "Finding", "Any", codes),
    choice("change", "Changed", "Any", changes),
    choice("group", "Group by", "Nothing", Object.entries(groupings).map(([key, { label }]) => [key, label])),
    el("label", { class: "narrow-only" }, "Sort by", controls.sort),
    controls.reset,
  );
  byId("count").after(controls.export);
  controls.change.parentElement.hidden = changes.length === 0;
}

const table = new Table(byId("table"), (column) => adjust({ sort: column, descending: view.sort === column && !view.descending }));
buildControls();
addEventListener("hashchange", () => route(false));
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  showTable(true);
});
if ("scrollRestoration" in history) history.scrollRestoration = "manual";
route(true);
requestAnimationFrame(() => setTimeout(() => performance.mark("rows-drawn"), 0));
// the first search should not pay for preparing the texts it looks through
(function prepare(from) {
  for (let index = from; index < Math.min(from + 2000, rows.length); index++) void rows[index].haystack;
  if (from < rows.length) setTimeout(() => prepare(from + 2000), 20);
})(0);
