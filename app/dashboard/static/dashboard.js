// Sorts, filters and pages the tables of a page; the page is complete without it.
"use strict";

(() => {
  const SHOWN = "rows";
  const tables = new Map();

  /** One table: all its rows, of which it shows the first ones that match, in the chosen order. */
  class Rows {
    constructor(table) {
      this.table = table;
      this.body = table.tBodies[0];
      this.all = Array.from(this.body.rows);
      this.step = Number(table.dataset[SHOWN]) || this.all.length;
      this.limit = this.step;
      this.order = this.all;
      this.matches = () => true;
      this.count = null;
      this.keys = new Map();
      this.columns = headers(table);
      for (const row of this.all) row.hidden = false;
      this.more = this.moreButton();
      this.none = this.noneText();
      this.columns.forEach((header, index) => header && this.addSort(header, index));
    }

    addSort(header, index) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const largestFirst = header.dataset.sort === "number";
        const now = header.getAttribute("aria-sort");
        const descending = now === "none" ? largestFirst : now === "ascending";
        this.sort(index, descending);
        remember(this);
      });
    }

    /** Sorts by a column; a cell without a number comes last either way. */
    sort(index, descending) {
      const header = this.columns[index];
      if (!header) return;
      for (const other of this.columns) if (other) other.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      this.sorted = { index, descending };
      const keys = this.keysOf(index);
      const sign = descending ? -1 : 1;
      const isNumber = header.dataset.sort === "number";
      const compare = (a, b) => {
        const x = keys.get(a), y = keys.get(b);
        if (x === y) return 0;
        if (x === null) return 1;
        if (y === null) return -1;
        return sign * (isNumber ? x - y : collator.compare(x, y));
      };
      this.order = Array.from(this.all).sort(compare);
      this.show();
    }

    keysOf(index) {
      if (!this.keys.has(index)) {
        const read = this.columns[index].dataset.sort === "number" ? numberIn : textIn;
        this.keys.set(index, new Map(this.all.map((row) => [row, read(row.cells[index])])));
      }
      return this.keys.get(index);
    }

    filter(matches) {
      this.matches = matches;
      this.limit = this.step;
      this.show();
    }

    show() {
      const found = this.order.filter(this.matches);
      const shown = found.slice(0, this.limit);
      shown.forEach(drawBars);
      this.body.replaceChildren(...shown);
      const left = found.length - this.limit;
      this.more.hidden = left <= 0;
      this.more.textContent = `Show ${Math.min(left, this.step)} more of ${left}`;
      if (this.count) {
        const none = this.count.dataset.none;
        const text = found.length ? `${format(found.length)} of ${format(this.all.length)} rows` : none;
        if (this.count.textContent !== text) this.count.textContent = text;
        this.none.textContent = none;
        this.none.hidden = found.length > 0;
      }
    }

    /** What stands for the rows if none matches; the count says it to a screen reader. */
    noneText() {
      const text = document.createElement("p");
      text.className = "empty";
      text.hidden = true;
      this.more.after(text);
      return text;
    }

    moreButton() {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "more";
      button.hidden = true;
      button.addEventListener("click", () => {
        const first = this.limit;
        this.limit += this.step;
        this.show();
        const link = this.body.rows[first] && this.body.rows[first].querySelector("a");
        if (link) link.focus();
      });
      (this.table.closest(".scroll") || this.table).after(button);
      return button;
    }
  }

  const SCALES = {
    m: 1e-3, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, kB: 1e3, MB: 1e6, GB: 1e9,
  };
  const collator = new Intl.Collator("en", { numeric: true });
  const format = (number) => number.toLocaleString("en");

  /** Draws the bars that a row has as lengths only, in percent: of thousands of rows, few are ever shown. */
  function drawBars(row) {
    for (const cell of row.querySelectorAll("td[data-bar]")) {
      const [request, need, usage] = cell.dataset.bar.split(" ");
      const bars = [["q", "width", request], ["n", "width", need], ["u", "x", usage]];
      const drawing = element("svg", { "aria-hidden": "true" });
      for (const [kind, length, percent] of bars) {
        if (percent >= 0) drawing.append(element("rect", { class: kind, [length]: `${percent}%` }));
      }
      cell.append(drawing);
      delete cell.dataset.bar;
    }
  }

  function element(tag, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function textIn(cell) {
    return cell.textContent.trim() || null;
  }

  /** The number in `500m`, `12.5Gi`, `+1.42`, `5.1kB`, `<1%` or `1,234`; null without one. */
  function numberIn(cell) {
    if ("v" in cell.dataset) return cell.dataset.v === "" ? null : Number(cell.dataset.v);
    const match = /^[<+]?(-?[\d.]+)([A-Za-z]*)/.exec(cell.textContent.trim().replaceAll(",", ""));
    return match ? Number(match[1]) * (SCALES[match[2]] || 1) : null;
  }

  /** The header of each column that can be sorted, by the place of its cells, also in two rows of headers. */
  function headers(table) {
    const grid = Array.from(table.tHead.rows, () => []);
    Array.from(table.tHead.rows).forEach((row, level) => {
      let column = 0;
      for (const header of row.cells) {
        while (grid[level][column] !== undefined) column += 1;
        for (let down = 0; down < header.rowSpan; down += 1) {
          for (let right = 0; right < header.colSpan; right += 1) grid[level + down][column + right] = header;
        }
        column += header.colSpan;
      }
    });
    return grid[grid.length - 1].map((header) => (header.dataset.sort ? header : null));
  }

  function addFilter(form) {
    const rows = tables.get(form.dataset.filter);
    if (!rows) return;
    rows.count = form.querySelector(".count");
    rows.form = form;
    form.hidden = false;
    const aliases = JSON.parse(rows.table.dataset.kinds || "{}");
    const texts = new Map(rows.all.map((row) => [row, searched(row)]));
    const kinds = new Map(rows.all.map((row) => [row, named(row, aliases)]));
    const apply = () => {
      const { q, ns, state } = fields(form);
      const words = q.toLowerCase().split(/\s+/).filter(Boolean);
      rows.filter(
        (row) =>
          words.every(
            (word) => texts.get(row).includes(word) || kinds.get(row).some((kind) => kind.startsWith(word)),
          ) &&
          (!ns || row.dataset.ns.split(" ").includes(ns)) &&
          (!state || (row.dataset.states || "").split(" ").includes(state)),
      );
    };
    let waiting = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        apply();
        remember(rows);
      }, 120);
    });
    recall(rows);
    apply();
  }

  function searched(row) {
    const cells = Array.from(row.cells).filter((cell) => cell.tagName === "TH" || cell.classList.contains("t"));
    return cells.map((cell) => cell.textContent).join(" ").toLowerCase();
  }

  /** A workload as kubectl names it, by each alias of its kind: `deploy/web`, `deploy/shop/web`. */
  function named(row, aliases) {
    const { ns, kind } = row.dataset;
    if (!kind) return [];
    const [place] = textIn(row.cells[0]).toLowerCase().split(/\s/, 1);
    const name = place.slice(ns.length + 1);
    return (aliases[kind] || [kind.toLowerCase()]).flatMap((alias) => [`${alias}/${name}`, `${alias}/${place}`]);
  }

  function fields(form) {
    const value = (name) => (form.elements[name] ? form.elements[name].value : "");
    return { q: value("q"), ns: value("ns"), state: value("state") };
  }

  /** The filter and the order stay in the address, for a reload and for the way back. */
  function remember(rows) {
    if (!rows.form || location.protocol === "file:") return;
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(fields(rows.form))) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    if (rows.sorted) query.set("sort", `${rows.sorted.index}${rows.sorted.descending ? "d" : "a"}`);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }

  function recall(rows) {
    const query = new URLSearchParams(location.search);
    for (const name of ["q", "ns", "state"]) {
      if (rows.form.elements[name] && query.has(name)) rows.form.elements[name].value = query.get(name);
    }
    const sort = /^(\d+)([ad])$/.exec(query.get("sort") || "");
    if (sort) rows.sort(Number(sort[1]), sort[2] === "d");
  }

  function addCopy(button) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected: press Ctrl-C";
      }
      setTimeout(() => {
        button.textContent = label;
      }, 3000);
    });
  }

  for (const table of document.querySelectorAll("table[data-rows]")) {
    const rows = new Rows(table);
    tables.set(table.id, rows);
    rows.show();
  }
  document.querySelectorAll("form[data-filter]").forEach(addFilter);
  document.querySelectorAll("button[data-copy]").forEach(addCopy);
  // Of a curve that is wider than its box, the newest part shows.
  for (const box of document.querySelectorAll(".curve .scroll")) box.scrollLeft = box.scrollWidth;
  document.documentElement.dataset.ready = "true";
})();
