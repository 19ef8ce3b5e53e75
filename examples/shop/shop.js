// The page: forms that say next to each field what was wrong with it. What comes from people is only ever text.

import { LoggedOut, Problem, Session } from "./session.js";

const service = document.querySelector("meta[name=user-service]").content;
const session = new Session(service, show);
const element = (id) => document.getElementById(id);
let profile = null; // as last read: {body, etag}
let payment = null;

function show() {
  element("stranger").hidden = session.isOpen;
  if (session.isOpen) attempt(element("customer"), showCustomer);
  else forget();
}

/** The forms come when they are filled: what is typed before would be written over. */
async function showCustomer() {
  try {
    const account = (await session.request("GET", "/account")).body;
    element("who").textContent = `Hello, ${account.username}!`;
    [profile, payment] = await Promise.all([readOrNull("/profile/me"), readOrNull("/profile/payment_info")]);
    fill(element("profile"), profile?.body);
    showCard();
  } finally {
    element("customer").hidden = element("greeting").hidden = !session.isOpen;
  }
  await showSessions();
}

async function readOrNull(path) {
  try {
    return await session.request("GET", path);
  } catch (error) {
    if (error instanceof Problem && error.details.status === 404) return null;
    throw error;
  }
}

function forget() {
  element("customer").hidden = element("greeting").hidden = true;
  profile = payment = null;
  for (const form of document.forms) form.reset();
  element("who").textContent = "";
  element("sessions").replaceChildren();
  showCard();
}

function fill(form, data) {
  for (const input of form.querySelectorAll("input")) {
    input.value = input.name.split("/").reduce((value, name) => value?.[name], data) ?? "";
  }
}

function showCard() {
  const { brand, last4, token_hint } = payment?.body ?? {};
  const card = [brand, last4 && `ending in ${last4}`].filter(Boolean).join(" ") || `token …${token_hint ?? ""}`;
  element("card").textContent = payment ? `Stored: ${card}` : "No card is stored.";
}

async function showSessions() {
  const { data } = (await session.request("GET", "/sessions")).body;
  element("sessions").replaceChildren(...data.map(sessionItem));
}

function sessionItem({ id, current, device, created_at }) {
  const item = document.createElement("li");
  const since = new Date(created_at).toLocaleString();
  const text = document.createElement("span");
  text.textContent = `${device}, since ${since}${current ? " (this one)" : ""}`;
  item.append(text);
  if (!current) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Close";
    button.setAttribute("aria-label", `Close the session: ${device}, since ${since}`);
    button.addEventListener("click", () =>
      attempt(item, async () => {
        await session.request("DELETE", `/sessions/${id}`);
        await showSessions();
        announce("The session is closed.");
      }),
    );
    item.append(button);
  }
  return item;
}

/** The form's values as a body: names with a slash are nested, what is empty is left out. */
function bodyOf(form) {
  const body = {};
  for (const { name, value } of form.querySelectorAll("input")) {
    if (value === "") continue;
    const path = name.split("/");
    const last = path.pop();
    path.reduce((part, step) => (part[step] ??= {}), body)[last] = value;
  }
  return body;
}

/** Run what a click asked for; say what went wrong where it went wrong. */
async function attempt(place, act) {
  clearFaults(place);
  const button = place.querySelector("button");
  if (button) button.disabled = true;
  try {
    await act();
  } catch (error) {
    if (error instanceof LoggedOut) announce("You are logged out. Log in again.");
    else if (error instanceof Problem) showProblem(place, error.details);
    else if (error instanceof TypeError) announce("The service cannot be reached. Nothing is lost; try again.");
    else throw error;
  } finally {
    if (button) button.disabled = false;
  }
}

function announce(text) {
  element("news").textContent = text;
}

function clearFaults(place) {
  announce("");
  for (const note of place.querySelectorAll(".fault, .problem")) note.remove();
  for (const input of place.querySelectorAll("input")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
}

/** Each fault goes to the field that its JSON Pointer names (RFC 6901); what has no field goes on top. */
function showProblem(place, { detail, errors }) {
  const inputs = new Map([...place.querySelectorAll("input")].map((input) => [`/${input.name}`, input]));
  const homeless = errors.filter(({ pointer }) => !inputs.has(pointer));
  for (const { pointer, message } of errors) {
    if (inputs.has(pointer)) showFault(inputs.get(pointer), message);
  }
  const lines = [errors.length ? "" : detail, ...homeless.map(({ message }) => message)].filter(Boolean);
  if (lines.length) place.prepend(note("problem", lines.join(" "), { role: "alert" }));
  place.querySelector("[aria-invalid]")?.focus();
}

function showFault(input, message) {
  const id = `${input.form.id}-${input.name.replaceAll("/", "-")}-fault`;
  const earlier = element(id);
  if (earlier) earlier.textContent += ` ${message}`;
  else input.after(note("fault", message, { id }));
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", id);
}

function note(kind, text, attributes) {
  const paragraph = document.createElement("p");
  paragraph.className = kind;
  paragraph.textContent = text;
  for (const [name, value] of Object.entries(attributes)) paragraph.setAttribute(name, value);
  return paragraph;
}

function onSubmit(id, act) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(event.target, () => act(event.target));
  });
}

function onClick(id, act) {
  element(id).addEventListener("click", () => attempt(element(id).parentElement, act));
}

onSubmit("register", async (form) => {
  const { username = "", email = "", password = "" } = bodyOf(form);
  await session.register(username, email, password);
});
onSubmit("log-in", async (form) => {
  const { username = "", password = "" } = bodyOf(form);
  await session.logIn(username, password);
});
onSubmit("profile", async (form) => {
  // If-Match: where another tab was faster, the service says so instead of losing its change.
  const [method, ifMatch] = profile ? ["PUT", profile.etag] : ["POST", undefined];
  profile = await session.request(method, "/profile", { body: bodyOf(form), ifMatch });
  announce("Saved.");
});
onSubmit("payment", async (form) => {
  const answer = await session.request(payment ? "PUT" : "POST", "/profile/payment_info", { body: bodyOf(form) });
  payment = { body: answer.body.payment_info, etag: answer.etag };
  form.reset(); // the token has done its work in the browser
  showCard();
  announce("Stored.");
});
onClick("log-out", () => session.logOut());
onClick("show-sessions", showSessions);
onClick("close-all", async () => {
  await session.request("DELETE", "/sessions");
  await session.logOut();
});

show();
