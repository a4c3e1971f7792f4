// Small helpers. Text reaches the page through textContent alone.

/** An element: attributes by name (a false or missing one is left out), children as elements or texts. */
function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) made.append(typeof child === "object" ? child : String(child));
  }
  return made;
}

/** A text from a datum, kept apart from the direction of its neighbours. */
const datum = (text, attributes) => el("bdi", attributes, text);
const spaced = (word) => (word === null ? "" : word.replaceAll("_", " "));
const counted = (number, singular, plural) => `${number.toLocaleString("en-US")} ${number === 1 ? singular : plural || singular + "s"}`;
/** A time stamp of the report for people, in UTC. */
const moment = (stamp) => (stamp ? `${stamp.slice(0, 10)} ${stamp.slice(11, 16)} UTC` : "\u2013");
const byId = (id) => document.getElementById(id);
