// What scripts add to pages that work without them: parts that refresh themselves, dates as the reader's clock has them,
// copying, dropped files, and keys to walk through lists.

const LIVE_POLL_MS = 3000;

function each(root, selector, act) {
  for (const element of root.querySelectorAll(selector)) act(element);
}

/// Times come as UTC; a title adds the reader's own zone.
function localise(root) {
  each(root, "time[datetime]", (time) => {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.valueOf())) {
      time.title = `${at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" })} · ${time.dateTime}`;
    }
  });
}

function copyable(root) {
  each(root, "[data-copy]", (button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const said = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = said), 1500);
    });
  });
}

/// A part that the server sends anew when it has changed: by server-sent events, else by asking.
function live(region) {
  let shown = region.innerHTML;
  let poll = 0;
  const show = (html) => {
    const words = region.querySelector("[data-announce]")?.textContent;
    if (html === shown || region.querySelector("details[open], :focus")) return;
    shown = html;
    region.innerHTML = html;
    dress(region);
    const said = region.querySelector("[data-announce]")?.textContent;
    const voice = document.getElementById("voice");
    if (voice && said && said !== words) voice.textContent = said;
  };
  const ask = async () => {
    if (document.hidden) return;
    const answer = await fetch(region.dataset.live, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.status === 401) location.reload();
    if (answer?.ok) show(await answer.text());
  };
  const events = new EventSource(region.dataset.live);
  events.addEventListener("part", (event) => show(event.data));
  events.addEventListener("end", () => {
    events.close();
    clearInterval(poll);
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED && !poll) poll = setInterval(ask, LIVE_POLL_MS);
  });
}

/// A file dropped on a form is the file of its field.
function droppable(form) {
  const field = form.querySelector("input[type=file]");
  const stop = (event) => event.preventDefault();
  form.addEventListener("dragover", (event) => (stop(event), form.classList.add("over")));
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    stop(event);
    form.classList.remove("over");
    if (event.dataTransfer.files.length) {
      field.files = event.dataTransfer.files;
      form.requestSubmit();
    }
  });
}

/// j and k walk through the rows of a list, Enter opens, / goes to the filter.
function walkable() {
  const rows = () => [...document.querySelectorAll("[data-walk] tbody tr")];
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = rows();
    const step = { j: 1, k: -1 }[event.key];
    if (step && all.length) {
      const at = all.findIndex((row) => row.contains(document.activeElement));
      const to = all[Math.min(all.length - 1, Math.max(0, at + step))];
      to.querySelector("a, button")?.focus();
      to.scrollIntoView({ block: "nearest" });
    } else if (event.key === "/") {
      const filter = document.querySelector(".filters input, .filters select");
      if (filter) (event.preventDefault(), filter.focus());
    }
  });
}

function dress(root) {
  localise(root);
  copyable(root);
}

dress(document);
each(document, "[data-live]", live);
each(document, "form[data-drop]", droppable);
each(document, "[data-submit]", (field) => field.addEventListener("change", () => field.form.requestSubmit()));
walkable();
