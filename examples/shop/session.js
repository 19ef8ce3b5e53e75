// The session of a browser with User Service: log in once, stay logged in over every expiry, in any number of tabs.
//
// The access token is kept in memory. The refresh token has to outlive a reload and be there for all tabs, so it is in
// localStorage, where every script of this origin can read it: a strict Content-Security-Policy (serve.py sends one)
// and no third-party script are the price. A shop with a server of its own should rather keep the refresh token there
// and give the browser an HttpOnly, Secure, SameSite cookie.
//
// Tabs need not talk to each other. Two that refresh at once get the same successor, and so does one that presents its
// token again because the answer was lost (docs: POST /token/refresh). A Web Lock around `refresh` would save the
// second request, and nothing else.

const KEY = "small-shop.refresh-token";
const EARLY_MILLISECONDS = 1_000; // refresh before the token expires on its way
const TRIES = 4;
const PAUSE_MILLISECONDS = 300;

/** A refusal: problem details (RFC 9457) as they came. */
export class Problem extends Error {
  constructor(details) {
    super(details.detail);
    this.details = details;
  }
}

/** The session is over: log in again. */
export class LoggedOut extends Error {}

export class Session {
  #service;
  #accessToken = null;
  #expiresAt = 0;
  #refreshing = null;

  /** `onChange` is called when the session ends, here or in another tab, and when it begins in another tab. */
  constructor(service, onChange) {
    this.#service = service;
    this.onChange = onChange;
    addEventListener("storage", (event) => {
      if (event.key === KEY && (event.newValue === null || event.oldValue === null)) this.#forget();
    });
  }

  get isOpen() {
    return localStorage.getItem(KEY) !== null;
  }

  async register(username, email, password) {
    await this.#send("POST", "/register", { body: { username, email, password } });
    await this.logIn(username, password);
  }

  async logIn(username, password) {
    const pair = await this.#read(await this.#send("POST", "/token", { body: { username, password } }));
    localStorage.removeItem(KEY);
    this.#keep(pair);
    this.onChange();
  }

  /** Ends it here at once, and at the service as soon as that can be reached. */
  async logOut() {
    const refresh_token = localStorage.getItem(KEY);
    localStorage.removeItem(KEY);
    this.#forget();
    if (refresh_token) await this.#send("POST", "/logout", { body: { refresh_token } });
  }

  /** The answer to a request of this user: {body, etag}. Throws Problem, LoggedOut, or TypeError without a network. */
  async request(method, path, { body, ifMatch } = {}) {
    if (!this.#accessToken || Date.now() > this.#expiresAt - EARLY_MILLISECONDS) await this.refresh();
    const send = () => this.#send(method, path, { body, ifMatch, token: this.#accessToken });
    let answer;
    try {
      answer = await send();
    } catch (problem) {
      if (problem.details?.status !== 401) throw problem;
      await this.refresh(); // our clock is slow, or another tab changed the password
      answer = await send();
    }
    return { body: await this.#read(answer), etag: answer.headers.get("ETag") };
  }

  /** A new pair of tokens; one request, however many ask for it at once. */
  refresh() {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #refresh() {
    for (let tries = 1; ; tries += 1) {
      const old_refresh_token = localStorage.getItem(KEY); // another tab may have put a newer one there
      if (!old_refresh_token) throw this.#loggedOut();
      try {
        const pair = await this.#read(await this.#send("POST", "/token/refresh", { body: { old_refresh_token } }));
        return this.#keep(pair, old_refresh_token);
      } catch (error) {
        if (error instanceof Problem && error.details.status === 401) {
          if (localStorage.getItem(KEY) !== old_refresh_token) continue;
          localStorage.removeItem(KEY);
          throw this.#loggedOut();
        }
        // No answer, or one that says "later": the same token again is right, and gets the same successor.
        const isPassing = error instanceof TypeError || error.details?.status >= 500 || error.details?.status === 429;
        if (!isPassing || tries === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS * 2 ** tries));
      }
    }
  }

  /** A late answer must not put an old token over the newer one of another tab, nor undo its log-out. */
  #keep(pair, replaced = null) {
    this.#accessToken = pair.access_token;
    this.#expiresAt = Date.now() + pair.expires_in * 1000;
    if (localStorage.getItem(KEY) === replaced) localStorage.setItem(KEY, pair.refresh_token);
  }

  #forget() {
    this.#accessToken = null;
    this.onChange();
  }

  #loggedOut() {
    this.#forget();
    return new LoggedOut();
  }

  async #send(method, path, { body, token, ifMatch }) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (ifMatch) headers["If-Match"] = ifMatch;
    const answer = await fetch(this.#service + path, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Problem(await answer.json());
    return answer;
  }

  #read(answer) {
    return answer.status === 204 ? null : answer.json();
  }
}
