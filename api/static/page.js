// Keyboard, dialogs and small courtesies. Every page works without it.
"use strict";

(() => {
  const SHORTCUTS = "odocare-shortcuts";
  const help = document.getElementById("help");
  const isOn = () => localStorage.getItem(SHORTCUTS) !== "off"; // WCAG 2.1.4: single keys can be switched off
  const isTyping = (target) => target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]") !== null;
  const rows = () => [...document.querySelectorAll("[data-rows] a.row")];

  function move(step) {
    const links = rows();
    if (links.length === 0) return;
    const now = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    const next = now < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(now + step, 0), links.length - 1);
    links[next].focus();
    links[next].closest("tr").scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help?.open) return;
    const search = document.getElementById("q");
    if (event.target === search && event.key === "ArrowDown") { event.preventDefault(); move(1); return; }
    if (isTyping(event.target)) return;
    const arrow = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (arrow && rows().length > 0) { event.preventDefault(); move(arrow); }
    else if (event.key === "/" && search && isOn()) { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "?" && help && isOn()) { event.preventDefault(); help.showModal(); }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) document.getElementById(opener.dataset.open)?.showModal();
  });

  const box = document.querySelector("[data-shortcuts]");
  if (box) {
    box.checked = isOn();
    box.addEventListener("change", () => localStorage.setItem(SHORTCUTS, box.checked ? "on" : "off"));
  }

  // A whole VIN never goes into an address: its last six characters find the vehicle as well.
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-vin]")) return;
    const text = event.target.value.trim();
    if (/^[A-HJ-NPR-Z0-9]{17}$/i.test(text)) event.target.value = text.slice(-6);
  }, true);

  // The target of a link into a job's card gets the focus, so that reading goes on there.
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.matches("[tabindex]")) {
    target.closest("details:not([open])")?.setAttribute("open", "");
    target.querySelector("details")?.setAttribute("open", "");
    target.focus({ preventScroll: true });
    target.scrollIntoView();
  }

  document.querySelector("form[data-send]")?.requestSubmit();
})();
