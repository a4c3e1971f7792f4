// The page of one computer: its verdict and the reasons for it, and for each volume its protectors against the stores.

const IDENTITIES = [
  ["inventory", "Inventory name"], ["dnsName", "DNS name"], ["adGuid", "AD objectGUID"], ["entraId", "Entra device ID"], ["serial", "Serial"], ["hardwareUuid", "Hardware UUID"],
];

const bySeverity = (one, other) => severityOrder.get(one.severity) - severityOrder.get(other.severity);
const listOf = (pairs) => el("dl", { class: "about-it" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

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

function holdingCell(p, store) {
  const held = p.stores.find((item) => item.store === store);
  if (!held) return el("td", { "data-label": store }, el("span", { class: "quiet" }, "\u2013"));
  const [name, meaning] = data.words.states[held.state] || ["unseen", ""];
  const entries = held.entries.map((e) => [
    el("span", { class: "entry" }, e.created ? `${moment(e.created)}, ` : "", datum(e.location)),
    e.defects.map((defect) => el("span", { class: "entry" }, datum(defect))),
  ]);
  return el("td", { "data-label": store }, el("span", { class: `dot of-${name}`, title: meaning }, spaced(held.state)), entries);
}

/** Protectors × stores. */
function keyTable(v, label) {
  if (!v.protectors.length) return el("p", { class: "quiet" }, "No protector is listed.");
  const stores = [...new Set([...data.stores, ...v.protectors.flatMap((p) => p.stores.map((held) => held.store))])];
  const head = el("tr", {}, el("th", { scope: "col" }, "Protector"), stores.map((store) => el("th", { scope: "col" }, store)));
  const line = (p) => el(
    "tr", {},
    el("th", { scope: "row" }, spaced(p.type || "unknown type"), el("span", { class: "mono id" }, el("b", {}, p.keyId.slice(0, 8)), p.keyId.slice(8))),
    stores.map((store) => holdingCell(p, store)),
  );
  return el("table", { class: "keys", "aria-label": label }, el("thead", {}, head), el("tbody", {}, v.protectors.map(line)));
}

function volumeSheet(v) {
  const facts = [
    v.type, v.method && v.method !== "none" ? spaced(v.method).toUpperCase() : null, v.conversion && spaced(v.conversion),
    v.percent === null ? null : `${v.percent} % encrypted`, v.protection && `protection ${v.protection}`, ...v.flags.map(spaced),
  ].filter(Boolean);
  return el(
    "section", { class: "sheet" },
    el("div", { class: "volume-head" }, el("h2", {}, "Volume ", datum(v.label)), verdictMark(v.verdict)),
    v.verdict && el("p", {}, verdictMeaning.get(v.verdict)),
    changeNote(v.change),
    el("ul", { class: "chips" }, facts.map((fact) => el("li", {}, fact))),
    v.findings.length ? findingList(v.findings) : null,
    keyTable(v, `Protectors of ${v.label} and the stores that hold them`),
    listOf([
      ["Device ID", datum(v.deviceId, { class: "mono" })],
      ["Persistent ID", v.persistentId && datum(v.persistentId, { class: "mono" })],
      ["Cluster nodes", v.nodes.length ? datum(v.nodes.join(", ")) : null],
      ["Reads that failed", v.errors.length ? el("ul", {}, v.errors.map((parts) => el("li", {}, datum(parts.filter(Boolean).join(" "))))) : null],
    ]),
  );
}

function identitySheet(c) {
  const joins = [...c.joins].map(([store, join]) => [`Found in ${store}`, `${spaced(join)}: ${data.words.joins[join] || ""}`]);
  const seen = c.observedAt ? moment(c.observedAt) : "never";
  return el(
    "section", { class: "sheet" },
    el("h2", {}, "How we know it"),
    listOf([
      ["Observed", seen], ["Last attempt", c.notObserved && `failed: ${spaced(c.notObserved)}`],
      ...IDENTITIES.map(([key, name]) => [name, c.ids[key] && datum(c.ids[key])]), ...joins,
    ]),
    c.joins.size ? null : el("p", { class: "quiet" }, "No object in a store was matched to this computer."),
  );
}

function unmatchedSheet(c) {
  const line = (u) => el(
    "tr", {},
    el("th", { scope: "row" }, u.keyId ? el("span", { class: "mono id" }, el("b", {}, u.keyId.slice(0, 8)), u.keyId.slice(8)) : "no key ID"),
    el("td", { "data-label": u.store }, `${u.store}: ${data.words.why[u.why] || spaced(u.why)}`, el("span", { class: "entry" }, u.entry.created ? `${moment(u.entry.created)}, ` : "", datum(u.entry.location)), u.entry.defects.map((defect) => el("span", { class: "entry" }, datum(defect)))),
  );
  const head = el("tr", {}, el("th", { scope: "col" }, "Key ID"), el("th", { scope: "col" }, "Where it lies"));
  return el(
    "section", { class: "sheet" },
    el("h2", {}, "Other entries under this computer"),
    el("table", { class: "keys", "aria-label": "Other entries under this computer" }, el("thead", {}, head), el("tbody", {}, c.unmatched.map(line))),
  );
}

/** What Intune says of a computer that nobody observed: told apart from all that was seen, because nothing rests on it. */
function intuneSheet({ encrypted, lastSync, enrolments }) {
  const said = encrypted === null ? "Intune does not say whether it is encrypted" : `Intune says ${encrypted ? "encrypted" : "not encrypted"}`;
  const newest = enrolments > 1 ? ` This is the newest of ${enrolments} enrolments.` : "";
  return el(
    "section", { class: "sheet" },
    el("h2", {}, "Not observed: what Intune says"),
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
    ...c.volumes.map(volumeSheet),
    c.volumes.length ? "" : el("section", { class: "sheet" }, el("h2", {}, "Volumes"), el("p", { class: "quiet" }, "It lists no volume.")),
    c.intune ? intuneSheet(c.intune) : "",
    c.unmatched.length ? unmatchedSheet(c) : "",
    identitySheet(c),
  );
  return heading;
}
