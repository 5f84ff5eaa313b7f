"use strict";
(() => {
  const block = (name) =>
    [...document.querySelectorAll("script[data-name]")].find((each) => each.dataset.name === name);

  async function unpacked(name) {
    const packed = Uint8Array.from(atob(block(name).textContent), (each) => each.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }
  const textOf = async (name) => new TextDecoder().decode(await unpacked(name));

  function trouble(text) {
    const place = document.getElementById("trouble");
    place.textContent = text;
    place.hidden = false;
  }

  // ---- files

  async function save(name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await unpacked(name)]));
    link.download = name.replaceAll("/", "-");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
  for (const button of document.querySelectorAll("[data-save]"))
    button.addEventListener("click", () => save(button.dataset.save).catch((error) => trouble(String(error))));

  // ---- tabs

  const tabs = [...document.querySelectorAll("[role=tab]")];
  function show(tab) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", chosen);
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).classList.toggle("hidden", !chosen);
    }
  }
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const next = tabs.at(step % tabs.length);
      show(next);
      next.focus();
    });
  });

  // ---- picking: a mark and its rows have one key

  const panels = [...document.querySelectorAll("[data-panel]")].map((section) => ({ section, picked: "", views: new Map() }));

  function mark(panel) {
    for (const row of panel.section.querySelectorAll("tr[data-key]")) {
      const chosen = row.dataset.key === panel.picked;
      row.classList.toggle("picked", chosen);
      row.querySelector(".pick").setAttribute("aria-pressed", chosen);
    }
    for (const view of panel.views.values()) view.signal("picked", panel.picked).runAsync();
  }
  function pick(panel, key, figure) {
    panel.picked = panel.picked === key ? "" : key;
    mark(panel);
    if (!panel.picked || !figure) return;
    figure.querySelector("details").open = true;
    const row = [...figure.querySelectorAll("tr[data-key]")].find((each) => each.dataset.key === key);
    if (row) row.scrollIntoView({ block: "nearest" });
  }
  for (const panel of panels)
    panel.section.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-key]");
      if (row && !String(getSelection())) pick(panel, row.dataset.key, null);
    });

  // ---- tables of what is chosen

  function cell(kind, text, number) {
    const made = document.createElement(kind);
    if (number) made.className = "n";
    if (kind === "th") made.scope = "row";
    made.append(text);
    return made;
  }
  function shown(value, column) {
    if (value === null) return "";
    if (typeof value !== "number" || column.field === "index") return String(value);
    return column.field.endsWith("snr") && value >= 300 ? "equal" : value.toFixed(column.digits);
  }
  function fill(table, columns, data) {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    for (const column of columns) {
      const made = cell("th", column.heading, column.number);
      made.scope = "col";
      head.append(made);
    }
    const body = table.createTBody();
    for (const datum of data) {
      const made = body.insertRow();
      made.dataset.key = datum.key;
      made.classList.toggle("invalid", datum.accused === "yes");
      columns.forEach((column, place) => {
        const words = document.createElement("bdi");
        words.append(shown(datum[column.field], column));
        if (place === 0) {
          const button = document.createElement("button");
          button.type = "button";
          button.className = "pick";
          button.setAttribute("aria-pressed", "false");
          button.append(words);
          made.append(cell("th", button, column.number));
        } else made.append(cell(column.key ? "th" : "td", words, column.number));
      });
    }
  }
  const rowsOf = (columns) =>
    columns.key.map((_, at) => Object.fromEntries(Object.entries(columns).map(([name, all]) => [name, all[at]])));

  // ---- pictures

  const narrow = () => document.documentElement.clientWidth < 600;
  function fitted(spec) {
    const made = structuredClone(spec);
    made.width = "container";
    made.autosize = { type: "fit-x", contains: "padding" };
    made.config.axis.labelLimit = narrow() ? 118 : 260;
    if (narrow()) {
      made.layer = made.layer.filter((layer) => layer.mark.type !== "text"); // no room for names
      Object.assign(made.config.axis, { labelFontSize: 10.5, titleFontSize: 11 });
      Object.assign(made.config.legend, { columns: 2, labelFontSize: 11 });
    } else made.config.legend.columns = 7;
    return made;
  }

  async function draw(panel, name, all) {
    const picture = all.pictures[name];
    const place = document.getElementById(`${panel.section.id}-${name}`);
    const figure = place.closest("figure");
    const select = figure.querySelector("select");
    const chosen = picture.choices[select ? select.selectedIndex : 0];
    const spec = fitted(picture.spec);
    if (chosen) {
      const data = rowsOf(all.choices[chosen.label]);
      spec.data.values = data;
      document.getElementById(`${place.id}-see`).textContent = chosen.sentence;
      document.getElementById(`${place.id}-name`).textContent = chosen.title;
      place.setAttribute("aria-label", `${picture.title}. ${chosen.sentence}`);
      fill(document.getElementById(`${place.id}-table`), picture.columns, data);
    }
    if (panel.views.has(name)) panel.views.get(name).finalize();
    const made = await vegaEmbed(place, spec, {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, logLevel: 1, defaultStyle: false,
      tooltip: { disableDefaultStyle: true },
    });
    place.firstElementChild?.setAttribute("aria-hidden", "true");
    panel.views.set(name, made.view);
    made.view.addEventListener("click", (event, item) => {
      if (item?.datum?.key !== undefined) pick(panel, item.datum.key, figure);
    });
    if (panel.picked) mark(panel);
  }

  async function start() {
    if (!("DecompressionStream" in window)) throw new Error("this browser is too old to unpack the pictures: its tables are all here");
    const [library, pictures] = await Promise.all([textOf("vega.js"), textOf("pictures.json")]);
    const script = document.createElement("script");
    script.textContent = library;
    document.head.append(script);
    const all = JSON.parse(pictures);
    const drawn = () => Promise.all(
      panels.flatMap((panel) => {
        const own = all[panel.section.id];
        return Object.keys(own.pictures).map((name) => draw(panel, name, own));
      })
    );
    for (const panel of panels)
      for (const select of panel.section.querySelectorAll("select"))
        select.addEventListener("change", () => {
          const label = select.selectedOptions[0].textContent;
          panel.picked = panel.picked.startsWith("#") ? "" : panel.picked;
          for (const other of panel.section.querySelectorAll("select")) {
            const index = [...other.options].findIndex((option) => option.textContent === label);
            if (index < 0) continue;
            other.selectedIndex = index;
            const name = other.closest("figure").dataset.figure;
            draw(panel, name, all[panel.section.id]);
          }
        });
    await drawn();
    let before = narrow();
    addEventListener("resize", () => {
      if (narrow() === before) return;
      before = narrow();
      drawn();
    });
    addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
    document.documentElement.dataset.ready = "yes";
  }
  start().catch((error) => trouble(`The pictures can't be drawn: ${error.message}.`));
})();
