"use strict";

const RUBRIC = ["sounds", "fits", "mind"];

/** FNV-1a, 32 bits, of the UTF-8 bytes: tells a file that was damaged or edited by hand. */
function check(sheet, rater, answers) {
  const lines = Object.keys(answers).sort().map((id) => `${id} ${answers[id]}`);
  let sum = 0x811c9dc5;
  for (const byte of new TextEncoder().encode([sheet, rater, ...lines].join("\n"))) {
    sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  }
  return sum.toString(16).padStart(8, "0");
}

function isAnswered(given) {
  return Boolean(given && given.guess && RUBRIC.every((name) => given[name]));
}

/** What is handed in, as text: of each reply that was answered wholly "b" or "m", and three digits. */
function handedIn(sheet, rater, given) {
  const answers = {};
  for (const id of Object.keys(given).sort()) {
    if (isAnswered(given[id])) {
      answers[id] = given[id].guess + RUBRIC.map((name) => given[id][name]).join("");
    }
  }
  const sum = check(sheet, rater, answers);
  return JSON.stringify({ kind: "mynah blind answers", sheet, rater, answers, check: sum });
}

function start(document, store) {
  const find = (id) => document.getElementById(id);
  const { sheet, items } = JSON.parse(find("items").textContent);
  const form = find("form");
  let rater = "";
  let given = {};
  let at = 0;

  const place = () => `mynah-blind/${sheet}/${rater}`;

  function read(name) {
    try { return store().getItem(name); } catch { return null; }
  }

  function keep() {
    try {
      store().setItem(place(), JSON.stringify({ given, at }));
      store().setItem(`mynah-blind/${sheet}`, rater);
    } catch {
      find("unkept").hidden = false;
    }
  }

  function show(name) {
    for (const section of document.querySelectorAll("main > section")) {
      section.hidden = section.id !== name;
    }
    const title = document.querySelector(`#${name} h1, #${name} h2`);
    title.focus({ preventScroll: true });
    document.defaultView.scrollTo(0, 0);
  }

  function line(who, text) {
    const made = document.createElement("p");
    const name = document.createElement("b");
    const said = document.createElement("span");
    name.textContent = who || "(the one who replies)";
    said.textContent = text;
    said.dir = name.dir = "auto";
    made.append(name, said);
    return made;
  }

  const count = () => items.filter((item) => isAnswered(given[item.id])).length;

  function showItem() {
    const item = items[at];
    find("number").textContent = `Reply ${at + 1} of ${items.length}`;
    find("bar").value = count();
    find("context").replaceChildren(...item.lines.map(([who, text]) => line(who, text)));
    find("reply").textContent = item.reply;
    form.reset();
    for (const [name, value] of Object.entries(given[item.id] || {})) {
      form.elements[name].value = value;
    }
    find("back").disabled = at === 0;
    find("lacks").textContent = "";
    show("item");
  }

  function showEnd() {
    const done = count();
    const text = handedIn(sheet, rater, given);
    find("done").textContent = done === items.length
      ? `All ${done} are answered. Thank you!`
      : `${done} of ${items.length} are answered. You can hand in what there is, or go on.`;
    find("text").value = text;
    find("copied").textContent = "";
    show("end");
  }

  function answer(name, value) {
    const id = items[at].id;
    given[id] = { ...given[id], [name]: value };
    form.elements[name].value = value;
    find("lacks").textContent = "";
    find("bar").value = count();
    keep();
  }

  function go(by) {
    at = Math.max(0, at + by);
    if (at >= items.length) {
      const open = items.findIndex((item) => !isAnswered(given[item.id]));
      at = open < 0 ? items.length - 1 : open;
      keep();
      showEnd();
      return;
    }
    keep();
    showItem();
  }

  function next() {
    if (isAnswered(given[items[at].id])) {
      go(1);
    } else {
      find("lacks").textContent = "Answer all four, please; a guess will do.";
    }
  }

  find("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    rater = find("rater").value.normalize("NFC").replace(/\s+/g, " ").trim();
    if (!rater) {
      return;
    }
    let kept = {};
    try { kept = JSON.parse(read(place())) || {}; } catch { /* begins anew */ }
    given = kept.given || {};
    at = Math.min(kept.at || 0, items.length - 1);
    keep();
    showItem();
  });
  form.addEventListener("change", (event) => answer(event.target.name, event.target.value));
  form.addEventListener("submit", (event) => { event.preventDefault(); next(); });
  find("back").addEventListener("click", () => go(-1));
  find("hand").addEventListener("click", showEnd);
  find("on").addEventListener("click", showItem);

  find("save").addEventListener("click", () => {
    const blob = new Blob([find("text").value + "\n"], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `answers-${sheet}-${rater.replace(/[^\p{L}\p{N}]+/gu, "_")}.json`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });
  find("copy").addEventListener("click", async () => {
    find("text").select();
    try {
      await navigator.clipboard.writeText(find("text").value);
      find("copied").textContent = "Copied.";
    } catch {
      const done = document.execCommand("copy");
      find("copied").textContent = done ? "Copied." : "It is selected: copy it with Ctrl+C.";
    }
  });

  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "radio";
    if (find("item").hidden || typing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const now = given[items[at].id] || {};
    const open = RUBRIC.find((name) => !now[name]);
    if (event.key === "b" || event.key === "m") {
      answer("guess", event.key);
    } else if (/^[1-5]$/.test(event.key) && open) {
      answer(open, event.key);
    } else if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
      next();
    } else if (event.key === "Backspace" && at > 0) {
      go(-1);
    } else {
      return;
    }
    event.preventDefault();
  });

  find("rater").value = read(`mynah-blind/${sheet}`) || "";
  show("start");
}

if (typeof document === "undefined") {
  module.exports = { check, handedIn };
} else {
  start(document, () => window.localStorage);
}
