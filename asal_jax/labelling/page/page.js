"use strict";

const POLL = 1000; // Milliseconds between two looks for new images.
const RETRY = 2000; // Milliseconds until a server that did not answer is asked again.
const PATIENCE = 20000; // Milliseconds after which a server that says nothing counts as gone.
const GONE =
  "This page can not be reached: the run has ended, or was stopped. All answers that you gave are safe. To go on, " +
  "start its job again, or python -m asal_jax.label with its folder, and open the address that it prints.";

const at = (id) => document.getElementById(id);
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
let who = "";
let view = null;
let busy = false;

// What this tab, else this browser, remembers, where it may.
function remembered(key, value) {
  try {
    for (const store of value === undefined ? [] : [sessionStorage, localStorage]) store.setItem(key, value);
    return sessionStorage.getItem(key) || localStorage.getItem(key) || "";
  } catch {
    return "";
  }
}

async function ask(path, said) {
  const post = said && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...said, who, thinks: at("thinks").checked }),
  };
  const reply = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...post });
  if (reply.status === 400) return { error: (await reply.json()).error };
  if (reply.status === 503) throw Object.assign(new Error(), { told: (await reply.json()).error });
  if (!reply.ok) throw new Error(reply.statusText);
  return reply.json();
}

// Asks until there is an answer, and shows it; what is sent twice counts once. Keys count again when the image is shown.
async function go(path, said) {
  if (busy) return;
  wait(true);
  let found = null;
  while (!found) {
    try {
      found = await ask(path, said);
    } catch (error) {
      at("gone").textContent = error.told || GONE;
      at("gone").hidden = false;
      await sleep(RETRY);
    }
  }
  at("gone").hidden = true;
  if (found.error) {
    at("notice").textContent = found.error;
  } else {
    view = found;
    await show();
  }
  wait(false);
}

function wait(now) {
  busy = now;
  at("work").setAttribute("aria-busy", now);
}

const look = (back) =>
  go(`state?${new URLSearchParams({ who, back: Math.max(0, back), thinks: at("thinks").checked })}`);

function answer(label) {
  if (view?.task) go("answer", { question: view.task.question, id: view.task.id, times: view.task.times, label });
}

function undo() {
  const of = view?.back ? view.task : view?.last;
  if (of) go("undo", { question: of.question, id: of.id });
}

function enough() {
  const { name, done } = view.progress;
  if (confirm(`Begin with what is labelled now (${done} images)? The start set is closed then.`)) {
    go("enough", { question: name });
  }
}

async function show() {
  const { task, progress, last } = view;
  if (task) await picture(at("image"), task.image, "");
  at("image").hidden = !task;
  at("image").alt = task ? `Image to label: ${task.file}` : "";
  at("waiting").textContent = view.waiting;
  at("file").textContent = at("file").title = task ? task.file : "";
  at("title").textContent = view.title || "Labelling";
  at("what").textContent = progress ? progress.what : "Waiting";
  at("count").textContent = progress ? `${progress.done} of ${progress.of}` : "";
  at("unseen").textContent = progress ? progress.unseen : "";
  at("bar").value = progress ? progress.done / Math.max(1, progress.of) : 1;
  at("notice").textContent = [
    view.note,
    task?.disputed,
    view.back ? "Looking back: another answer replaces yours." : "",
    task?.thought ? `The classifier thinks: ${task.thought}.` : "",
  ].filter(Boolean).join(" ");
  at("notice").classList.toggle("disputed", Boolean(task?.disputed));
  at("last").textContent = last
    ? `Your last answer: ${last.label} (${last.file}).` +
      (last.thought ? ` The classifier thought: ${last.thought}.` : "")
    : "";
  at("agreement").textContent = view.agreement;
  document.title = progress ? `${progress.done}/${progress.of} ${view.title}` : `Waiting: ${view.title}`;
  neighbours(task ? task.near : []);
  buttons();
}

// Sets an image; done when it can be seen.
async function picture(image, address, alt) {
  image.alt = alt;
  image.hidden = false;
  if (image.getAttribute("src") === address) return;
  image.src = address;
  await image.decode().catch(() => {});
}

function neighbours(near) {
  document.querySelectorAll("#near li").forEach((item, k) => {
    const image = item.querySelector("img");
    item.querySelector("span").textContent = near[k] ? near[k].label : "";
    if (near[k]) picture(image, near[k].image, "");
    else image.hidden = true;
  });
}

function buttons() {
  const names = view.classes.map((one) => one.name);
  if (at("classes").dataset.of !== names.join("\n")) {
    at("classes").dataset.of = names.join("\n");
    at("classes").replaceChildren(...view.classes.map(button));
  }
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-pressed", view.task?.given === one.dataset.label);
    one.disabled = !view.task;
  }
  at("back").disabled = view.back >= view.history;
  at("forward").disabled = !view.back;
  at("undo").disabled = !view.history;
  at("enough").hidden = !view.progress?.name.startsWith("start/");
  at("enough").disabled = !view.progress?.enough;
}

function button({ name, key }) {
  const made = document.createElement("button");
  made.type = "button";
  made.dataset.label = name;
  made.dataset.key = key;
  const part = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  made.append(...(key ? [part("kbd", key)] : []), " ", part("span", name));
  made.addEventListener("click", () => answer(name));
  return made;
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || at("work").hidden) return;
  const focused = event.target.closest("button, input");
  if (focused && [" ", "Enter"].includes(event.key)) return;
  const same = { " ": "?", Delete: "x", Del: "x" };
  const key = same[event.key] || (event.key.length === 1 ? event.key.toLowerCase() : event.key);
  const digit = event.shiftKey ? "" : /^Digit(.)$/.exec(event.code)?.[1]; // Where digits are typed with shift.
  const made = [...document.querySelectorAll("#work [data-key]")];
  const pressed = made.find((one) => one.dataset.key === key) || made.find((one) => one.dataset.key === digit);
  if (pressed) {
    event.preventDefault();
    pressed.click();
  }
}

function begin(name) {
  who = name.trim();
  at("hello").hidden = Boolean(who);
  at("work").hidden = at("person").hidden = !who;
  at("who").textContent = who;
  if (!who) {
    at("name").focus();
    return;
  }
  remembered("name", who);
  look(0);
  at("work").focus({ preventScroll: true });
}

at("hello").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(at("name").value);
});
at("rename").addEventListener("click", () => {
  if (busy) return;
  at("name").value = who;
  begin("");
});
for (const one of [at("unsure"), at("reject")]) one.addEventListener("click", () => answer(one.dataset.label));
at("back").addEventListener("click", () => look(view.back + 1));
at("forward").addEventListener("click", () => look(view.back - 1));
at("undo").addEventListener("click", undo);
at("enough").addEventListener("click", enough);
at("thinks").checked = remembered("thinks") === "true";
at("thinks").addEventListener("change", () => {
  remembered("thinks", at("thinks").checked);
  look(view.back);
});
// Keys go to the image again after a button was used: a space must not press it once more.
at("work").addEventListener("click", (event) => {
  if (event.target.closest("button")) at("work").focus({ preventScroll: true });
});
document.addEventListener("keydown", press);
addEventListener("pageshow", (event) => {
  if (event.persisted && who) look(0);
});
setInterval(() => {
  if (view && !view.task && !busy && who) look(0);
}, POLL);
// A name in the address is for whoever it was printed for: it is not passed on with it.
const given = new URLSearchParams(location.hash.slice(1)).get("name");
history.replaceState(null, "", location.pathname);
begin(given || remembered("name"));
