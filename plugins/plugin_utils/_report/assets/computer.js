// The page of one computer: its verdict and the reasons for it, and for each volume its protectors against the stores.

const IDENTITIES = [
  ["inventory", "Inventory name"], ["dnsName", "DNS name"], ["adGuid", "AD objectGUID"], ["entraId", "Entra device ID"], ["serial", "Serial"], ["hardwareUuid", "Hardware UUID"],
];

/** How many entries that match no protector are listed before the reader asks for more. */
const SHOWN = 10;

const bySeverity = (one, other) => severityOrder.get(one.severity) - severityOrder.get(other.severity);
const listOf = (pairs) => el("dl", { class: "about-it" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

/** Where an entry lies, as a datum that may break after the commas of a DN; what is copied from it has nothing between. */
const whereabouts = (location) => el("bdi", {}, location.split(/(?<=,)/).flatMap((part, index) => (index ? [el("wbr"), part] : [part])));

function findingList(found) {
  const item = (f) => el(
    "li", {},
    el("p", { class: `severity is-${f.severity}` }, f.severity),
    el(
      "div", {},
      el("p", {}, el("strong", {}, datum(f.message))),
      el("p", { class: "remedy" }, datum(f.remedy)),
      el("p", { class: "code" }, `${f.code} ${spaced(data.words.codes[f.code] || "")}`),
    ),
  );
  return el("ul", { class: "why" }, [...found].sort(bySeverity).map(item));
}

function changeNote(changed) {
  if (!changed || !data.since) return null;
  return el("p", { class: "quiet" }, changed.was ? `Was ${spaced(changed.was)} in the report of ${moment(data.since)}.` : `Not in the report of ${moment(data.since)}.`);
}

const PACKAGES = { live: "the live key package", directory: "the key package in the directory", image: "the volume's own metadata" };

/** What a proof came to, against what, and how long ago that was read. */
function proofNote({ outcome, basis, madeAt, reason }) {
  const days = Math.round((Date.parse(data.generated_at.slice(0, 10)) - Date.parse(madeAt.slice(0, 10))) / 86400000);
  const when = days <= 0 ? "today" : days === 1 ? "yesterday" : `${days} days ago`;
  const what = PACKAGES[basis] || spaced(basis);
  const more = basis === "directory" ? " That says nothing of the disk." : "";
  const said = { proven: `Opened ${what} ${when}.`, refuted: `Did not open ${what} ${when}.` }[outcome] || `Held against ${what} ${when}, and nobody can say: ${reason}.`;
  return el("span", { class: "entry", title: moment(madeAt) }, said + more);
}

function holdingCell(p, store, passes) {
  const held = p.stores.find((item) => item.store === store);
  if (!held) return el("td", { class: "no-store" }, el("span", { class: "quiet" }, "\u2013"));
  const [, meaning] = data.words.states[held.state] || ["unseen", ""];
  const plain = held.state === "present";
  const entries = held.entries.map((e) => [
    el("span", { class: "entry" }, e.created ? `${moment(e.created)}, ` : "", whereabouts(e.location)),
    e.defects.map((defect) => el("span", { class: "entry" }, datum(defect))),
  ]);
  return el(
    "td", { "data-label": storeOf.has(store) ? storeOf.get(store).full : store },
    stateMark(store, held.state, passes),
    plain || (held.proof && ["proven", "refuted"].includes(held.state)) ? null : el("span", { class: "entry" }, meaning),
    held.proof ? proofNote(held.proof) : null,
    entries,
  );
}

/** Links to other computers, the first few. */
function computerLinks(names) {
  const shown = names.slice(0, 5).flatMap((name, place) => [place ? ", " : "", el("a", { href: `#${new URLSearchParams({ computer: name })}` }, datum(name))]);
  return [...shown, names.length > 5 ? ` and ${counted(names.length - 5, "other")}` : ""];
}

/** Where else an entry for this protector lies, or who else lists it. */
function elsewhereNote(keyId, name) {
  const found = placesOf(keyId);
  const entries = [...found.entries].filter((other) => other !== name);
  const listed = [...found.listed].filter((other) => other !== name);
  return [
    entries.length ? el("span", { class: "entry" }, "An entry for it lies under ", computerLinks(entries)) : null,
    listed.length ? el("span", { class: "entry" }, "Listed by ", computerLinks(listed), " too") : null,
  ];
}

/** Protectors × stores. */
function keyTable(v, label, name) {
  if (!v.protectors.length) return el("p", { class: "quiet" }, "No protector is listed.");
  const heading = ({ full, required }) => el("th", { scope: "col" }, full, required ? null : el("span", { class: "quiet" }, " (not required)"));
  const head = el("tr", {}, el("th", { scope: "col" }, "Protector"), stores.map(heading));
  const line = (p) => el(
    "tr", {},
    el("th", { scope: "row" }, spaced(p.type || "unknown type"), el("span", { class: "mono id" }, el("b", {}, p.keyId.slice(0, 8)), p.keyId.slice(8)), p.stores.length ? elsewhereNote(p.keyId, name) : null),
    stores.map(({ word }) => holdingCell(p, word, p.stores.filter(({ store, state }) => isCounted(state) && (storeOf.get(store) || {}).required).length >= data.copies)),
  );
  return el("table", { class: "keys", "aria-label": label }, el("thead", {}, head), el("tbody", {}, v.protectors.map(line)));
}

/** How many required copies the best recovery password has, and which store lacks it; null where that was not asked. */
function copiesNote(v) {
  const keys = v.protectors.filter((p) => p.stores.length).map((p) => {
    const stateIn = (store) => (p.stores.find((item) => item.store === store.word) || { state: "unknown" }).state;
    const held = stores.filter((store) => store.required).map((store) => ({ name: store.full, state: stateIn(store) }));
    return { p, held, number: held.filter(({ state }) => isCounted(state)).length };
  });
  if (!keys.length || v.verdict === null) return null;
  const best = keys.reduce((one, other) => (other.number > one.number ? other : one));
  const part = (word, wanted) => {
    const names = best.held.filter(({ state }) => wanted(state)).map(({ name }) => name);
    return names.length ? `${word} ${names.join(word === "not in" ? " or " : " and ")}` : null;
  };
  const odd = ["conflicting", "refuted", "malformed", "deleted", "unknown"].map((word) => part(`${word} in`, (state) => state === word));
  const said = [part("in", isCounted), ...odd, part("not in", (state) => state === "absent")].filter(Boolean).join(", ");
  const which = keys.length > 1 ? `The best of ${keys.length} recovery passwords, ${best.p.keyId.slice(0, 8)}, is` : "The recovery password is";
  return `${which} ${said}. Required: ${counted(data.copies, "copy", "copies")}.`;
}

function volumeSheet(v, name) {
  // a finding of the verdict's own name says the same, and more
  const told = v.findings.some((f) => data.words.codes[f.code] === v.verdict);
  const types = { os: "operating system", fixed: "fixed data", removable: "removable" };
  const whole = v.conversion === "fully_encrypted" || v.conversion === "fully_decrypted";
  const facts = [
    v.type && (types[v.type] || spaced(v.type)), v.method && v.method !== "none" ? spaced(v.method).toUpperCase() : null, v.conversion && spaced(v.conversion),
    v.percent === null || whole ? null : `${v.percent} % encrypted`, v.protection && `protection ${v.protection}`, ...v.flags.map(spaced),
  ].filter(Boolean);
  return el(
    "section", { class: "sheet" },
    el("div", { class: "volume-head" }, el("h2", {}, "Volume ", datum(v.label)), verdictMark(v.verdict)),
    v.verdict === null ? el("p", {}, "The requirements leave this volume out, so it was not judged.") : el("p", {}, told ? null : `${verdictMeaning.get(v.verdict)} `, copiesNote(v)),
    changeNote(v.change),
    el("ul", { class: "chips" }, facts.map((fact) => el("li", {}, fact))),
    v.findings.length ? findingList(v.findings) : null,
    keyTable(v, `Protectors of ${v.label} and the stores that hold them`, name),
    listOf([
      ["Device ID", datum(v.deviceId, { class: "mono" })],
      ["Persistent ID", v.persistentId && datum(v.persistentId, { class: "mono" })],
      ["Cluster nodes", v.nodes.length ? datum(v.nodes.join(", ")) : null],
      ["Reads that failed", v.errors.length ? el("ul", {}, v.errors.map((parts) => el("li", {}, datum(parts.filter(Boolean).join(" "))))) : null],
    ]),
  );
}

/** How one store knows the computer. */
function joinNote(c, { word, state }) {
  const join = c.joins.get(word);
  if (join) return `${spaced(join)}: ${data.words.joins[join] || ""}`;
  const owner = { ad: c.ids.adGuid, entra: c.ids.entraId }[word] || c.unmatched.some((u) => u.store === word);
  if (c.ids.inventory === null && owner) return "it is known from here, and no host of the inventory answers to it";
  if (state !== "searched") return `no object was matched (the store is ${spaced(state)})`;
  const doubt = c.volumes.some((v) => v.protectors.some((p) => p.stores.some((held) => held.store === word && held.state === "unknown")));
  return doubt ? "in doubt: it could not be told which object is its own" : "no object was matched";
}

function identitySheet(c) {
  const joins = stores.map((store) => [store.full, joinNote(c, store)]);
  const seen = c.observedAt ? moment(c.observedAt) : "never";
  const same = (one, other) => one !== null && one === other;
  const twins = data.computers.filter(({ 0: name, 5: ids }) => name !== c.name && (same(ids[2], c.ids.adGuid) || same(ids[3], c.ids.entraId))).map(([name]) => name);
  return el(
    "section", { class: "sheet" },
    el("h2", {}, "How we know it"),
    listOf([
      ["Observed", seen], ["Last attempt", c.notObserved && `failed: ${spaced(c.notObserved)}`],
      ...IDENTITIES.map(([key, name]) => [name, c.ids[key] && datum(c.ids[key])]),
      ["Hybrid join", c.ids.adGuid && c.ids.adGuid === c.ids.entraId ? "the Entra device ID is the objectGUID in AD" : null],
      ["Shares an ID with", twins.length ? computerLinks(twins) : null],
      ...joins,
    ]),
  );
}

function unmatchedSheet(c) {
  // whose protector it is, where a computer of the report lists it
  const ownerNote = (u) => {
    const listed = u.keyId === null ? [] : [...placesOf(u.keyId).listed].filter((other) => other !== c.name);
    return listed.length ? [", listed by ", computerLinks(listed)] : null;
  };
  const title = c.volumes.length ? "Other entries under this computer" : "Entries under this computer";
  const line = (u) => el(
    "tr", {},
    el("th", { scope: "row" }, u.keyId ? el("span", { class: "mono id" }, el("b", {}, u.keyId.slice(0, 8)), u.keyId.slice(8)) : "no key ID"),
    el("td", {}, `${storeOf.has(u.store) ? storeOf.get(u.store).full : u.store}: ${data.words.why[u.why] || spaced(u.why)}`, ownerNote(u), el("span", { class: "entry" }, u.entry.created ? `${moment(u.entry.created)}, ` : "", whereabouts(u.entry.location)), u.entry.defects.map((defect) => el("span", { class: "entry" }, datum(defect)))),
  );
  const table = (list, label) => el(
    "table", { class: "keys", "aria-label": label },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Key ID"), el("th", { scope: "col" }, "Where it lies"))),
    el("tbody", {}, list.map(line)),
  );
  return el(
    "section", { class: "sheet" },
    el("h2", {}, title),
    table(c.unmatched.slice(0, SHOWN), title),
    c.unmatched.length > SHOWN ? el("details", {}, el("summary", {}, `${counted(c.unmatched.length - SHOWN, "more entry", "more entries")}`), table(c.unmatched.slice(SHOWN), `${title}, the others`)) : null,
  );
}

/** What Intune says of a computer that nobody observed: told apart from all that was seen, because nothing rests on it. */
function intuneSheet({ encrypted, lastSync, enrolments }) {
  const said = encrypted === null ? "Intune does not say whether it is encrypted" : `Intune says ${encrypted ? "encrypted" : "not encrypted"}`;
  const newest = enrolments > 1 ? ` This is the newest of ${enrolments} enrolments.` : "";
  return el(
    "section", { class: "sheet" },
    el("h2", {}, "Not observed lately: what Intune says"),
    el("p", {}, `${said}, ${lastSync ? `last sync ${moment(lastSync)}` : "and it never synchronised"}.${newest}`),
    el("p", { class: "quiet" }, "That says nothing about keys, and no verdict rests on it."),
  );
}

/** Fill the place with the computer's page; returns its heading, for the focus. */
function showComputer(place, name, back) {
  const c = findComputer(name);
  const heading = el("h2", { class: "title", tabindex: "-1" }, datum(name));
  const link = el("p", { class: "back" }, el("a", { href: back }, "\u2190 All volumes"));
  if (!c) {
    place.replaceChildren(link, heading, el("p", {}, "There is no computer of this name in this report."));
    return heading;
  }
  place.replaceChildren(
    link,
    heading,
    el("p", { class: "verdict" }, verdictMark(c.verdict), el("span", { class: "quiet" }, c.verdict ? verdictMeaning.get(c.verdict) : "None of its volumes is in scope.")),
    changeNote(c.change) || "",
    c.findings.length ? el("section", { class: "sheet" }, el("h2", {}, "About the computer"), findingList(c.findings)) : "",
    ...c.volumes.map((v) => volumeSheet(v, c.name)),
    c.volumes.length ? "" : el("section", { class: "sheet" }, el("h2", {}, "Volumes"), el("p", { class: "quiet" }, "It lists no volume.")),
    c.intune ? intuneSheet(c.intune) : "",
    c.unmatched.length ? unmatchedSheet(c) : "",
    identitySheet(c),
  );
  return heading;
}
