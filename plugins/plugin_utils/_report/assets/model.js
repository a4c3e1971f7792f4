// The data of the page (the order of the fields is that of payload.py), its rows, and what filters, sorts and exports them.

const data = JSON.parse(byId("data").textContent);
const strings = data.strings;
const text = (value) => (typeof value === "number" ? strings[value] : value);
const texts = (values) => values.map(text);

const verdictOrder = new Map(data.words.verdicts.map(([word], index) => [word, index]));
const verdictClass = new Map(data.words.verdicts.map(([word, name]) => [word, name]));
const verdictMeaning = new Map(data.words.verdicts.map(([word, , meaning]) => [word, meaning]));
const severityOrder = new Map(data.words.severities.map((word, index) => [word, index]));
const stateClass = (word) => (data.words.states[word] || ["unseen"])[0];
const isCounted = (word) => (data.words.states[word] || [])[2] === 1;
/** The stores that were read: their word, short and full name, whether a copy there counts, how far they were searched. */
const stores = data.stores.map(([word, short, full, required, state]) => ({ word, short, full, required: required === 1, state }));
const storeOf = new Map(stores.map((store) => [store.word, store]));

const finding = ([code, severity, message, remedy]) => ({ code: text(code), severity: text(severity), message: text(message), remedy: text(remedy) });
const entry = ([head, tail, created, defects]) => ({ location: tail === null ? head : head + text(tail), created, defects: texts(defects) });
const intune = (value) => (value === 0 ? null : { encrypted: value[0], lastSync: value[1], enrolments: value[2] });
const change = (value) => (value === 0 ? null : { kind: text(value[0]), was: text(value[1]) });

const proof = (value) => (value ? { outcome: text(value[0]), basis: text(value[1]), madeAt: value[2], reason: text(value[3]) } : null);

function protector([keyId, type, held]) {
  const stores = held.map(([store, state, entries, made]) => ({ store: text(store), state: text(state), entries: entries.map(entry), proof: proof(made) }));
  return { keyId, type: text(type), stores };
}

/** One volume with names instead of places. */
function volumeOf(v) {
  return {
    label: v[0], deviceId: v[1], persistentId: v[2], type: text(v[3]), inScope: v[4] === 1, verdict: text(v[5]), flags: texts(v[6]),
    method: text(v[7]), conversion: text(v[8]), protection: text(v[9]), percent: v[10], protectors: v[11].map(protector),
    findings: v[12].map(finding), change: change(v[13]), nodes: texts(v[14]), errors: v[15].map(texts),
  };
}

/** One computer with names instead of places. */
function computerOf(c) {
  const [inventory, dnsName, adGuid, entraId, serial, hardwareUuid] = c[5];
  return {
    name: c[0], verdict: text(c[1]), flags: texts(c[2]), observedAt: c[3], notObserved: text(c[4]),
    ids: { inventory, dnsName, adGuid, entraId, serial, hardwareUuid },
    joins: new Map(c[6].map(texts)), volumes: c[7].map(volumeOf),
    unmatched: c[8].map(([keyId, store, why, value]) => ({ keyId, store: text(store), why: text(why), entry: entry(value) })),
    findings: c[9].map(finding), change: change(c[10]), intune: intune(c[11]),
  };
}

const findComputer = (name) => {
  const found = data.computers.find((c) => c[0] === name);
  return found ? computerOf(found) : null;
};

let places = null;
/** Which computers list a protector of this ID, and under which entries for it lie that match none of theirs. */
function placesOf(keyId) {
  if (places === null) {
    places = new Map();
    const at = (key) => places.get(key) || places.set(key, { listed: new Set(), entries: new Set() }).get(key);
    for (const c of data.computers) {
      for (const v of c[7]) for (const p of v[11]) if (p[2].length) at(p[0]).listed.add(c[0]);
      for (const e of c[8]) if (e[0] !== null) at(e[0]).entries.add(c[0]);
    }
  }
  return places.get(keyId) || { listed: new Set(), entries: new Set() };
}

/** Where the keys of a volume are: one object for all rows in the same case, because a large fleet has few cases. */
class Held {
  constructor(words, c) {
    /** "store:state" for each key and store. */
    this.words = words;
    this.rows = 0;
    this.states = new Map(stores.map(({ word }) => [word, [...new Set(words.filter((held) => held.startsWith(`${word}:`)).map((held) => held.slice(word.length + 1)))]]));
    /** The same, and what else can be filtered by. */
    this.where = [...new Set(words.concat(stores.flatMap((store) => this.inStore(store, c))))];
  }
  /** Whether the store holds a key of this volume, and whether it knows the computer at all: nothing where that could not be told. */
  inStore({ word, state }, c) {
    const states = this.states.get(word);
    const known = c[6].some(([store]) => text(store) === word) || (c[5][0] === null && c[5][word === "ad" ? 2 : 3] !== null);
    const found = known || state !== "searched" || states.includes("unknown") ? [] : [`${word}:no_object`];
    if (states.some(isCounted)) found.push(`${word}:in`);
    else if (states.length && !states.includes("unknown")) found.push(`${word}:not_in`);
    return found;
  }
}

const cases = new Map();
function heldOf(c, v) {
  let key = `${c[5][0] === null}${c[5][2] === null}${c[5][3] === null}`;
  for (const [store] of c[6]) key += `,${store}`;
  if (v) for (const p of v[11]) for (const held of p[2]) key += `;${held[0]}:${held[1]}`;
  let found = cases.get(key);
  if (!found) {
    found = new Held(v ? v[11].flatMap((p) => p[2].map(([store, state]) => `${text(store)}:${text(state)}`)) : [], c);
    cases.set(key, found);
  }
  found.rows++;
  return found;
}

/** What the table shows: a volume, or a computer that lists none. Rank is the natural order of names. */
class Row {
  constructor(c, v, rank) {
    this.c = c;
    this.v = v;
    this.rank = rank;
    this.name = c[0];
    this.verdict = text(v ? v[5] : c[1]);
    this.class = verdictClass.get(this.verdict) || "";
    this.flags = texts(v ? v[6] : c[2]);
    this.findings = v ? (c[9].length ? v[12].concat(c[9]) : v[12]) : c[9];
    const changed = v ? v[13] : c[10];
    this.change = changed === 0 ? "" : text(changed[0]);
    this.severity = this.findings.reduce((worst, f) => Math.min(worst, severityOrder.get(text(f[1]))), 9);
    this.order = this.verdict === null ? 99 : verdictOrder.get(this.verdict);
    this.held = heldOf(c, v);
    this.lower = null;
  }
  /** How many entries lie in a store under a computer that lists no volume. */
  entriesIn(store) {
    return this.v ? 0 : this.c[8].filter((e) => text(e[1]) === store).length;
  }
  get label() { return this.v ? this.v[0] : ""; }
  get codes() { return this.findings.map((f) => text(f[0])); }
  /** Everything a reader may look for, in lower case. */
  get haystack() {
    if (this.lower === null) {
      const keys = this.v ? this.v[11].map((p) => p[0]).join(" ") : "";
      const own = [this.name, this.label, keys, spaced(this.verdict), this.verdict, this.flags.map(spaced).join(" "), this.flags.join(" ")];
      this.lower = own.concat(this.c[5], this.v ? [this.v[1], this.v[2]] : [], this.codes).join("\n").toLowerCase();
    }
    return this.lower;
  }
}

const rows = data.computers.flatMap((c, place) => (c[7].length ? c[7].map((v, n) => new Row(c, v, place * 100 + n)) : [new Row(c, null, place * 100)]));

/** How often each word occurs among the rows, the words sorted. */
function tally(words) {
  const found = new Map();
  for (const row of rows) {
    const list = words(row);
    for (const word of list.length > 1 ? new Set(list) : list) found.set(word, (found.get(word) || 0) + 1);
  }
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1));
}

/** The same for where the keys are. */
function tallyHeld() {
  const found = new Map();
  for (const held of cases.values()) for (const word of held.where) found.set(word, (found.get(word) || 0) + held.rows);
  return [...found];
}

const naturally = new Intl.Collator("en", { numeric: true });
const domainOf = (name) => (name.includes(".") ? name.slice(name.indexOf(".") + 1) : "no domain");
const newest = (row) => row.c[3] || "";

/** The columns of the table: how each sorts (numbers or texts; ties fall to the natural order of names). */
const sortKeys = {
  computer: (row) => row.rank,
  volume: (row) => row.label,
  verdict: (row) => row.order,
  flags: (row) => -row.flags.length,
  observed: newest,
  findings: (row) => row.severity * 1000 - row.findings.length,
};
const stateOrder = new Map(["refuted", "conflicting", "malformed", "absent", "deleted", "unknown", "unreadable", "present", "proven"].map((word, place) => [word, place]));
for (const { word } of stores) {
  // the best key of a volume speaks for it, as in its verdict; what lists no key comes after those
  sortKeys[`in.${word}`] = (row) => (row.held.words.length ? Math.max(-1, ...row.held.states.get(word).map((state) => stateOrder.get(state) ?? 0)) : 99 - Math.min(row.entriesIn(word), 9));
}
/** How rows can be put together, each with the title of a row's group and what the groups are sorted by. */
const groupings = {
  verdict: { label: "Verdict", title: (row) => (row.verdict === null ? "out of scope" : spaced(row.verdict)), order: (row) => row.order },
  domain: { label: "Domain", title: (row) => domainOf(row.name), order: (row) => domainOf(row.name) },
  computer: { label: "Computer", title: (row) => row.name, order: (row) => row.rank - (row.rank % 100) },
  type: { label: "Volume type", title: (row) => (row.v ? text(row.v[3]) || "unknown type" : "no volume listed"), order: (row) => (row.v ? text(row.v[3]) || "" : "~") },
};

const compareKeys = (one, other) => (typeof one === "string" ? naturally.compare(one, other) : one - other);

function sorted(list, column, descending) {
  const key = sortKeys[column] || sortKeys.verdict;
  const keyed = list.map((row) => ({ row, key: key(row) }));
  const known = new Map();
  if (keyed.length && typeof keyed[0].key === "string") {
    // comparing by the rules of a language is slow: each different text is placed once
    [...new Set(keyed.map((item) => item.key))].sort(naturally.compare).forEach((word, place) => known.set(word, place));
    for (const item of keyed) item.key = known.get(item.key);
  }
  const sign = descending ? -1 : 1;
  return keyed.sort((one, other) => sign * (one.key - other.key) || one.row.rank - other.row.rank).map((item) => item.row);
}

/** The rows that pass every filter of the view. */
function filtered(view) {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const byClass = view.verdict.startsWith("class:") ? view.verdict.slice(6) : "";
  return rows.filter((row) => {
    if (byClass ? row.class !== byClass : view.verdict && (row.verdict || "none") !== view.verdict) return false;
    if (view.flag && !row.flags.includes(view.flag)) return false;
    if (view.state && !row.held.where.includes(view.state)) return false;
    if (view.change && row.change !== view.change) return false;
    if (view.code && !row.codes.includes(view.code)) return false;
    return words.every((word) => row.haystack.includes(word));
  });
}

// --- export: the same columns and cells as the CSV file (csv_table.py) ---------------------------------------------------------------------

function csvRows(row) {
  const c = computerOf(row.c);
  const shared = { computer: c.name, computer_verdict: c.verdict, observed_at: c.observedAt, not_observed: c.notObserved, inventory_name: c.ids.inventory };
  if (c.intune) {
    shared.intune_encrypted = c.intune.encrypted === null ? "unknown" : c.intune.encrypted;
    shared.intune_last_sync = c.intune.lastSync;
  }
  const codes = [...new Set(row.codes)].sort().join(" ");
  if (!row.v) return [{ ...shared, verdict: c.verdict, flags: c.flags.join(" "), findings: codes }];
  const v = volumeOf(row.v);
  const own = {
    ...shared, volume: v.label, volume_type: v.type, in_scope: v.inScope, verdict: v.verdict, flags: v.flags.join(" "), method: v.method,
    conversion: v.conversion, protection: v.protection, encrypted_percent: v.percent, findings: codes, device_id: v.deviceId,
  };
  if (!v.protectors.length) return [own];
  return v.protectors.flatMap((p) => {
    const named = { ...own, protector_type: p.type, key_id: p.keyId };
    return p.stores.length ? p.stores.map((held) => ({ ...named, ...csvHolding(held), join: c.joins.get(held.store) })) : [named];
  });
}

const csvHolding = ({ store, state, entries, proof: made }) => ({
  ...(made ? { proof: made.outcome, proof_basis: made.basis, proof_made_at: made.madeAt } : {}),
  store, state, entries: entries.length, newest_entry: entries.map((e) => e.created).filter(Boolean).sort().pop(), location: entries.map((e) => e.location).join(" | "),
});

function csvCell(value) {
  if (value === undefined || value === null) return "";
  const safe = String(value).replace(/(?:^|(?<=;))(?=[\s"']*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212])/g, "'");
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The text of a CSV file with every protector and store of the given rows. */
function toCsv(list) {
  const lines = [data.columns, ...list.flatMap(csvRows).map((row) => data.columns.map((name) => row[name]))];
  return "\ufeff" + lines.map((line) => line.map(csvCell).join(",") + "\r\n").join("");
}
