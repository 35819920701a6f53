// The figures of a report. Each has charts, checkboxes, zoom buttons and a cursor, and its data beside it as JSON.
"use strict";

const EMBED = {
  mode: "vega", renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: false, hover: false,
};

class Figure {
  constructor(element, data, views) {
    this.element = element;
    this.data = data;
    this.views = views;
    this.whole = this.domain();
    this.slider = element.querySelector("input[type=range]");
    this.readout = element.querySelector("output");
  }

  listen() {
    for (const box of this.element.querySelectorAll("input[type=checkbox]")) {
      this.set(box.dataset.signal, box.checked);  // a browser may have kept it over a reload
      box.addEventListener("change", () => this.set(box.dataset.signal, box.checked));
    }
    for (const button of this.element.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.zoom(button.dataset.zoom));
    }
    if (!this.slider) return;
    this.slider.addEventListener("input", () => this.select(Number(this.slider.value), true));
    if (this.data.positions.length === 1) this.select(0, false);
    for (const view of this.views) {
      const follow = (event) => this.select(this.nearest(view, event), false);
      view.container().addEventListener("pointermove", follow);
      view.container().addEventListener("pointerdown", follow);
    }
  }

  set(signal, value) {
    for (const view of this.views) {
      if (Object.hasOwn(view.getState({signals: (name) => name === signal, data: () => false}).signals, signal)) {
        view.signal(signal, value).runAsync();
      }
    }
  }

  // Show what is at a position; with `follow`, also move a zoomed chart there.
  select(index, follow) {
    this.index = index;
    this.slider.value = index;
    const text = this.data.readouts[index];
    this.readout.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    this.set("cursor", index);
    const [low, high] = this.domain().map(this.along);
    const here = this.along(this.data.positions[index]);
    if (follow && (here < low || here > high)) this.show(here, high - low);
  }

  nearest(view, event) {
    const svg = view.container().querySelector("svg");
    const box = svg.getBoundingClientRect();
    const pixels = (event.clientX - box.left) * (svg.viewBox.baseVal.width / box.width) - view.origin()[0];
    const x = this.along(view.scale("x").invert(pixels));
    const {positions} = this.data;
    let low = 0;
    let high = positions.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.along(positions[middle]) < x) low = middle; else high = middle;
    }
    return x - this.along(positions[low]) < this.along(positions[high]) - x ? low : high;
  }

  zoom(way) {
    if (way === "reset") return this.set("zoom_x", null);
    const [low, high] = this.domain().map(this.along);
    const selected = this.index === undefined ? this.data.centre : this.data.positions[this.index];
    const centre = selected === null ? NaN : this.along(selected);
    this.show(centre >= low && centre <= high ? centre : (low + high) / 2, (high - low) * (way === "in" ? 0.5 : 2));
  }

  // Show this much of the x axis around a centre, both as distances along the axis.
  show(centre, width) {
    const [first, last] = this.whole.map(this.along);
    if (width >= last - first) return this.set("zoom_x", null);
    const low = Math.min(Math.max(centre - width / 2, first), last - width);
    this.set("zoom_x", [low, low + width].map(this.back));
  }

  domain() {
    return this.views[0].scale("x").domain();
  }

  along = (x) => (this.data.log ? Math.log10(x) : x);
  back = (x) => (this.data.log ? 10 ** x : x);
}

async function start(element) {
  const data = JSON.parse(document.getElementById(element.dataset.figure).textContent);
  element.classList.add("live");  // so that the charts have a width
  try {
    const places = [...element.querySelectorAll(".chart")];
    const embedded = await Promise.all(data.charts.map((chart, i) => vegaEmbed(places[i], chart, EMBED)));
    new Figure(element, data, embedded.map((one) => one.view)).listen();
  } catch (error) {
    element.classList.remove("live");  // the pictures are still there
    console.error(error);
  }
}

for (const button of document.querySelectorAll(".copy")) {
  const code = button.parentElement.querySelector("code");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);  // to copy by hand, where a page may not
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

const folded = new Set();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    folded.add(details);
    details.open = true;
  }
});
addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
  folded.clear();
});

document.documentElement.classList.add("live");
Promise.all([...document.querySelectorAll("figure[data-figure]")].map(start)).then(() => {
  document.documentElement.classList.add("ready");
});
