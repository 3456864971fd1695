// The odometer chart: days as a line with their gaps, the fan P10–P90 to the next limit, services as diamonds.
"use strict";

(() => {
  const plot = document.getElementById("odometer");
  const source = document.getElementById("odometer-data");
  if (!plot || !source || typeof uPlot === "undefined") return;

  const data = JSON.parse(source.textContent);
  const locale = plot.dataset.locale;
  const unit = plot.dataset.km;
  const ZONE = "Asia/Shanghai";
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const day = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", day: "numeric", timeZone: ZONE });
  const month = new Intl.DateTimeFormat(locale, { month: "short", timeZone: ZONE });
  const year = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", timeZone: ZONE });
  const km = (value) => `${number.format(value)} ${unit}`;

  function clear(value, alpha) { // a colour made see-through
    const [r, g, b] = value.match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
    return `rgb(${r} ${g} ${b} / ${alpha})`;
  }

  function full(value) { // #abc to #aabbcc
    return value.length === 4 ? `#${[...value.slice(1)].map((c) => c + c).join("")}` : value;
  }

  function options(width) {
    const ink = full(color("--mute")), line = full(color("--soft")), accent = full(color("--accent"));
    const urgent = full(color("--urgent")), good = full(color("--good")), windowed = full(color("--window"));
    const font = `${0.75 * parseFloat(getComputedStyle(document.documentElement).fontSize)}px ${getComputedStyle(document.body).fontFamily}`;
    const inCanvas = (u, draw) => { u.ctx.save(); u.ctx.beginPath(); u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); u.ctx.clip(); draw(u.ctx, devicePixelRatio || 1); u.ctx.restore(); };

    function marks(u) {
      inCanvas(u, (ctx, ratio) => {
        const x = u.valToPos(data.today, "x", true);
        ctx.strokeStyle = clear(ink, 0.8); ctx.lineWidth = ratio; ctx.setLineDash([3 * ratio, 3 * ratio]);
        ctx.beginPath(); ctx.moveTo(x, u.bbox.top); ctx.lineTo(x, u.bbox.top + u.bbox.height); ctx.stroke();
        if (data.limit_km !== null) {
          const y = u.valToPos(data.limit_km, "y", true);
          ctx.strokeStyle = urgent; ctx.lineWidth = 1.5 * ratio; ctx.setLineDash([2 * ratio, 3 * ratio]);
          ctx.beginPath(); ctx.moveTo(u.bbox.left, y); ctx.lineTo(u.bbox.left + u.bbox.width, y); ctx.stroke();
        }
        ctx.setLineDash([]); ctx.fillStyle = good;
        for (const visit of data.visits) {
          const at = u.valToPos(visit.t, "x", true);
          const y = visit.km === null ? u.bbox.top + u.bbox.height - 7 * ratio : u.valToPos(visit.km, "y", true);
          const r = 5 * ratio;
          ctx.beginPath(); ctx.moveTo(at, y - r); ctx.lineTo(at + r, y); ctx.lineTo(at, y + r); ctx.lineTo(at - r, y); ctx.closePath(); ctx.fill();
          ctx.strokeStyle = full(color("--sheet")); ctx.lineWidth = ratio; ctx.stroke();
        }
      });
    }

    const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    return {
      width,
      height: plot.clientHeight,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 }, y: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), ZONE),
      scales: { x: { time: true, range: (u, low, high) => [days ? Math.max(data.t[0], data.today - days * 86400) : data.t[0], data.t.at(-1)] }, y: { range: (u, low, high) => bounds(low, high) } },
      axes: [
        { ...axis, space: 64, incrs: [86400 * 7, 86400 * 14, 86400 * 30.4375, 86400 * 60.875, 86400 * 91.3125, 86400 * 182.625].map(Math.round),
          splits: (u, index, low, high, step) => monthStarts(low, high, step), values: (u, splits) => splits.map((t) => (new Date(t * 1000).getUTCMonth() === 0 ? year : month).format(new Date(t * 1000))) },
        { ...axis, size: 78, values: (u, splits) => splits.map((value) => number.format(value)) },
      ],
      bands: [{ series: [4, 2], fill: clear(windowed, 0.35) }],
      series: [
        {},
        { stroke: accent, width: 2, spanGaps: false, points: { show: false } },
        { stroke: clear(windowed, 0.9), width: 1, points: { show: false } },
        { stroke: accent, width: 1.5, dash: [6, 4], points: { show: false } },
        { stroke: clear(windowed, 0.9), width: 1, points: { show: false } },
      ],
      hooks: { draw: [marks], setCursor: [tip] },
    };
  }

  function bounds(low, high) {
    const top = data.limit_km === null ? high : Math.max(high, data.limit_km);
    const room = Math.max((top - low) * 0.06, 50);
    return [Math.max(0, low - room), top + room];
  }

  function monthStarts(low, high, step) { // the first of every, every second, third … month
    const every = Math.max(1, Math.round(step / (86400 * 30.4375)));
    const found = [];
    const date = new Date(low * 1000);
    for (let index = date.getUTCFullYear() * 12 + date.getUTCMonth(); ; index += 1) {
      const at = Date.UTC(Math.floor(index / 12), index % 12, 1, 4) / 1000; // noon in Shanghai
      if (at > high) return found;
      if (at >= low && index % every === 0) found.push(at);
    }
  }

  // uPlot draws over `undefined` and leaves `null` blank: short silences are drawn over, gaps are not.
  const drawn = data.km.slice();
  for (let begin = 0; begin < drawn.length; begin += 1) {
    if (drawn[begin] !== null) continue;
    let end = begin;
    while (end < drawn.length && drawn[end] === null) end += 1;
    if (begin > 0 && end < drawn.length && end - begin < data.gap_d) drawn.fill(undefined, begin, end);
    begin = end;
  }

  const label = document.createElement("div");
  label.className = "tip";
  label.hidden = true;

  function tip(u) {
    const i = u.cursor.idx;
    const [value, low, high] = i === null || i === undefined ? [null, null, null] : [data.km[i], data.low[i], data.high[i]];
    label.hidden = value === null && low === null;
    if (label.hidden) return;
    const text = value !== null ? km(value) : `${number.format(low)} – ${km(high)}`;
    label.textContent = `${day.format(new Date(data.t[i] * 1000))} · ${text}`;
    const left = u.valToPos(data.t[i], "x");
    label.style.left = `${Math.min(Math.max(left - label.offsetWidth / 2, 0), u.over.clientWidth - label.offsetWidth)}px`;
    label.style.top = "4px";
  }

  let days = 120; // before today; 0: all
  const spans = document.querySelector(".spans");
  spans.hidden = false;
  spans.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-days]");
    if (!pressed) return;
    days = Number(pressed.dataset.days);
    for (const button of spans.children) button.setAttribute("aria-pressed", String(button === pressed));
    draw();
  });

  let chart = null;
  function draw() {
    chart?.destroy();
    chart = new uPlot(options(plot.clientWidth), [data.t, drawn, data.low, data.likely, data.high], plot);
    chart.over.append(label);
    label.hidden = true;
  }
  draw();
  plot.dataset.drawn = "yes";
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    requestAnimationFrame(draw);
  }).observe(plot);
})();
