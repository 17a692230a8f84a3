// Zooms the rows that share the axis of time, and shows the time under the pointer.
(() => {
  "use strict";
  const all = [...document.querySelectorAll(".tl")];
  if (!all.length) return;
  const end = Number(document.querySelector(".axis").dataset.end); // seconds
  let zoom = 1;

  const text = (s) => {
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = s % 60;
    return (h ? h + "h" : "") + (h || m ? m + "m" : "") + rest.toFixed(zoom > 8 || end < 120 ? 3 : 1) + "s";
  };
  const plot = (tl) => tl.querySelector(".axis .plot").getBoundingClientRect();

  // set zooms to a factor and leaves what is at the point, from 0 to 1 of the story, where it is on the screen.
  const set = (to, point, from) => {
    const before = plot(from);
    const x = before.left + point * before.width;
    zoom = Math.min(64, Math.max(1, to));
    document.body.style.setProperty("--zoom", zoom);
    document.body.classList.toggle("z1", zoom >= 5 && zoom < 25);
    document.body.classList.toggle("z2", zoom >= 25);
    const after = plot(from);
    const left = from.scrollLeft + after.left + point * after.width - x;
    for (const tl of all) tl.scrollLeft = left;
  };
  const middle = (tl) => {
    const p = plot(tl), box = tl.getBoundingClientRect();
    return Math.min(1, Math.max(0, ((box.left + box.right) / 2 - p.left) / p.width));
  };
  document.addEventListener("click", (e) => {
    const how = e.target.dataset && e.target.dataset.zoom;
    if (how) set(how === "in" ? zoom * 2 : how === "out" ? zoom / 2 : 1, middle(all[0]), all[0]);
  });
  for (const tl of all) {
    tl.addEventListener("scroll", () => { for (const o of all) if (o.scrollLeft !== tl.scrollLeft) o.scrollLeft = tl.scrollLeft; });
    tl.addEventListener("wheel", (e) => {
      if (!e.ctrlKey) return;
      e.preventDefault();
      const p = plot(tl);
      set(e.deltaY < 0 ? zoom * 1.5 : zoom / 1.5, Math.min(1, Math.max(0, (e.clientX - p.left) / p.width)), tl);
    }, { passive: false });
    tl.addEventListener("pointermove", (e) => {
      const p = plot(tl), at = (e.clientX - p.left) / p.width;
      for (const o of all) {
        const cross = o.querySelector(".cross"), q = plot(o), inner = o.firstElementChild.getBoundingClientRect();
        cross.hidden = at < 0 || at > 1;
        cross.style.left = q.left - inner.left + at * q.width + "px";
        cross.classList.toggle("left", at > 0.5);
        cross.firstElementChild.textContent = text(at * end);
      }
    });
    tl.addEventListener("pointerleave", () => { for (const o of all) o.querySelector(".cross").hidden = true; });
  }
})();
