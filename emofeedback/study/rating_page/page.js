/** Asks one question after the other; the server knows which picture is whose. */

const LIMIT = 3;
const STEP = 0.1;
const token = document.querySelector("meta[name=token]").content;
const part = (id) => document.getElementById(id);
let rater = "";
let asked = null;
let busy = false;
let point = { valence: 0, arousal: 0 };

function place(valence, arousal) {
  const kept = (value) => Math.min(LIMIT, Math.max(-LIMIT, Math.round(value * 100) / 100)) + 0;
  point = { valence: kept(valence), arousal: kept(arousal) };
  part("knob").style.left = `${50 + (50 * point.valence) / LIMIT}%`;
  part("knob").style.top = `${50 - (50 * point.arousal) / LIMIT}%`;
  const words = `valence ${point.valence.toFixed(2)}, arousal ${point.arousal.toFixed(2)}`;
  part("numbers").textContent = words;
  part("plane").setAttribute("aria-valuenow", String(point.valence));
  part("plane").setAttribute("aria-valuetext", words);
}

async function fetched(path, options) {
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error.message);
  return content;
}

async function next() {
  asked = await fetched(`/next?rater=${encodeURIComponent(rater)}`);
  part("status").textContent = `${asked.done} of ${asked.of} answered. Stop whenever you like.`;
  part("who").hidden = true;
  part("ask").hidden = asked.question === null;
  if (asked.question === null) {
    part("status").textContent = "That was all. Thank you!";
    return;
  }
  const two = asked.pictures === 2;
  const { words } = asked.target;
  part("question").textContent = two
    ? `Which picture feels more like: ${words}?`
    : "What does this picture make you feel?";
  part("about").textContent = two ? `It should show: ${asked.prompt}` : "";
  part("choices").hidden = !two;
  part("felt").hidden = two;
  place(0, 0);
  const from = `/picture?rater=${encodeURIComponent(rater)}&question=${asked.question}&place=`;
  part("pictures").replaceChildren(
    ...Array.from({ length: asked.pictures }, (_, index) => {
      const image = document.createElement("img");
      image.src = from + index;
      image.alt = two ? ["Left picture", "Right picture"][index] : "The picture";
      return image;
    }),
  );
  (two ? part("question") : part("plane")).focus();
}

async function send(answer) {
  if (busy || !asked || asked.question === null) return;
  busy = true;
  try {
    await fetched("/answer", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Emofeedback-Token": token },
      body: JSON.stringify({ rater, question: asked.question, ...answer }),
    });
    await next();
  } catch (error) {
    part("status").textContent = String(error.message ?? error);
  } finally {
    busy = false;
  }
}

part("who").addEventListener("submit", (event) => {
  event.preventDefault();
  rater = part("rater").value.trim();
  next().catch((error) => (part("status").textContent = String(error.message ?? error)));
});
for (const button of document.querySelectorAll("[data-choice]"))
  button.addEventListener("click", () => send({ choice: button.dataset.choice }));
part("mark").addEventListener("click", () => send(point));

const CHOSEN = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "alike" };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
document.addEventListener("keydown", (event) => {
  if (!asked || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (asked.pictures === 2 && CHOSEN[event.key]) {
    event.preventDefault();
    send({ choice: CHOSEN[event.key] });
  }
});
part("plane").addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (event.key === "Enter") send(point);
  if (!move) return;
  event.preventDefault();
  const step = STEP * (event.shiftKey ? 5 : 1);
  place(point.valence + step * move[0], point.arousal + step * move[1]);
});
function follow(event) {
  if (!(event.buttons & 1)) return;
  const box = part("plane").getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width;
  const y = (event.clientY - box.top) / box.height;
  place(LIMIT * (2 * x - 1), LIMIT * (1 - 2 * y));
}
part("plane").addEventListener("pointerdown", (event) => {
  part("plane").setPointerCapture(event.pointerId);
  follow(event);
});
part("plane").addEventListener("pointermove", follow);
