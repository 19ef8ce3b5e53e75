"use strict";

const form = document.getElementById("form");
const button = document.getElementById("button");
const message = document.getElementById("message");
const password = document.getElementById("password");
const show = document.getElementById("show");
const token = location.hash.slice(1);

function tell(text, kind) {
  message.textContent = text;
  message.className = kind;
  if (kind) message.focus();
}

// What is wrong, in the words of the service; the members of `errors` say it best.
function wordsOf(problem) {
  const reasons = (problem.errors || []).map((error) => error.message);
  return reasons.length ? reasons.join(" ") : problem.detail || "That did not work. Try again in a moment.";
}

async function send() {
  const body = password ? { token, new_password: password.value } : { token };
  const answer = await fetch(form.dataset.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    credentials: "omit",
    referrerPolicy: "no-referrer",
    body: JSON.stringify(body),
  });
  if (answer.ok) return null;
  return wordsOf(await answer.json().catch(() => ({})));
}

async function submit(event) {
  event.preventDefault();
  button.disabled = true;
  tell("One moment …", "");
  const problem = await send().catch(() => "The service cannot be reached. Look at your connection and try again.");
  button.disabled = false;
  if (problem) {
    tell(problem, "problem");
    return;
  }
  form.hidden = true;
  history.replaceState(null, "", location.pathname);
  tell(message.dataset.done, "done");
}

if (token) {
  form.hidden = false;
  form.addEventListener("submit", submit);
  if (show) show.addEventListener("change", () => { password.type = show.checked ? "text" : "password"; });
} else {
  tell("This link is not complete. Open it from the mail again, or copy all of it.", "problem");
}
