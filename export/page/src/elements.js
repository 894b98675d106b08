// Elements of the page in a line each.

// h("button", {type: "button", onclick: f}, "text", child): attributes as they are written, handlers as functions.
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

// A section of the page with a heading that names it.
export function section(title, note, ...children) {
  const id = `title-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
  return h(
    "section",
    { "aria-labelledby": id },
    h("h2", { id }, title),
    note ? h("p", { class: "note" }, note) : null,
    ...children,
  );
}

export const percent = (share) => `${(100 * share).toFixed(share > 0.0005 && share < 0.01 ? 1 : 0)} %`;

// Says a result to whoever hears the page rather than sees it.
export function say(text) {
  document.getElementById("said").textContent = text;
}

// Calls that come faster than the screen is drawn are one call, of the last arguments.
export function onceAFrame(work) {
  let wanted = null;
  let busy = null;
  async function rounds() {
    while (wanted) {
      const next = wanted;
      wanted = null;
      await work(...next);
    }
    busy = null;
  }
  const call = (...values) => {
    wanted = values;
    busy ??= rounds();
    return busy;
  };
  call.settled = () => busy ?? Promise.resolve();
  return call;
}
