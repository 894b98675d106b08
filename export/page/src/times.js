// What was imagined and known after each task: a slider over time.
import { h, percent, section } from "./elements.js";

export function makeTimes(panel) {
  const { moments } = panel;
  const tasks = [...new Set(moments.flatMap(({ accuracy }) => Object.keys(accuracy)))];
  const picture = h("img", { alt: "", class: "moment" });
  const caption = h("p", { class: "note" });
  const meters = tasks.map((task) => {
    const bar = h("span", { class: "bar" });
    const share = h("span", { class: "share" });
    const element = h("div", { class: "class" }, h("span", { class: "name" }, task), h("span", { class: "track" }, bar), share);
    return { task, bar, share, element };
  });

  function show(place) {
    const { name, png, caption: said, accuracy } = moments[place];
    output.textContent = name;
    input.setAttribute("aria-valuetext", name);
    picture.hidden = !png;
    if (png) {
      picture.src = `data:image/png;base64,${png}`;
      picture.alt = said;
    }
    caption.textContent = said;
    for (const { task, bar, share, element } of meters) {
      const value = accuracy[task];
      bar.style.width = `${100 * (value ?? 0)}%`;
      share.textContent = value == null ? "not yet" : percent(value);
      element.classList.toggle("unknown", value == null);
    }
  }

  const last = moments.length - 1;
  const output = h("output", { for: "moment" });
  const input = h("input", {
    type: "range",
    id: "moment",
    min: 0,
    max: last,
    step: 1,
    value: last,
    oninput: () => show(input.valueAsNumber),
  });
  const element = section(
    "From task to task",
    "What the model imagined when a task was learned, and how many pictures of each task it knew by then.",
    h("div", { class: "slider moments" }, h("label", { for: "moment" }, "Time"), input, output),
    h("div", { class: "two" }, h("div", {}, picture, caption), h("div", { class: "classes" }, ...meters.map((m) => m.element))),
  );
  show(last);
  return { elements: [element] };
}
