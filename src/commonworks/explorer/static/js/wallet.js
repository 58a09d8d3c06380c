// A browser's wallet: found by EIP-6963 or as window.ethereum, spoken to by EIP-1193.
//
// Exports: connectWallet(), sendPrepared(action, values, options), signIn(next), signOut().
// Wired by itself, on every page that loads this file:
//   <form data-action="sell" hidden>…fields…</form>            values are the form's fields
//   <button data-action="claim" data-values='{"asset":"token"}' hidden>…</button>
//   data-own="0x…"       only this account may do it: another one is asked to change
//   [data-sign-in], [data-sign-out], [data-connect], [data-wallet-account]
// What is shown before the wallet is asked comes from the server, which read it from the very bytes
// that are signed. No key is ever here; what was chosen is kept for this tab only.

import { say } from "./app.js";

const CHOICE = "wallet";
const POLL_FIRST_MS = 700;
const POLL_LAST_MS = 4_000;
const WAIT_MS = 300_000;
const ANNOUNCE_MS = 120;

const REFUSED = 4001;
const UNKNOWN_CHAIN = 4902;
const OPEN_QUESTION = -32002;

class WalletError extends Error {}

// --- words ---------------------------------------------------------------------------------------

const NO_ANSWER = "The explorer does not answer. Try again in a moment.";
let guide = null;

/** Return the chain and the words of dialogs, asked for once. */
async function words() {
  guide ??= await fetchJson("/api/v1/wallet");
  return guide;
}

function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name] ?? "");
}

/** Return what went wrong as one sentence. */
function explain(error, texts) {
  if (error instanceof WalletError) return error.message;
  const inner = error?.data?.originalError ?? error?.cause ?? error;
  const code = error?.code ?? inner?.code;
  const message = String(error?.data?.message ?? inner?.message ?? error?.message ?? error);
  if (code === REFUSED || code === "ACTION_REJECTED") return texts.refused;
  if (code === OPEN_QUESTION) return texts.busy;
  if (/insufficient funds/i.test(message)) return texts.no_coin;
  return fill(texts.wallet_says, { text: message.slice(0, 300) });
}

// --- the server ----------------------------------------------------------------------------------

async function fetchJson(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new WalletError(guide?.texts.no_answer ?? NO_ANSWER);
  }
  const document_ = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new WalletError(document_.detail ?? answer.statusText);
  return document_;
}

function post(path, value) {
  return fetchJson(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
  });
}

// --- finding a wallet ----------------------------------------------------------------------------

const announced = new Map();

addEventListener("eip6963:announceProvider", (event) => {
  const { info, provider } = event.detail ?? {};
  if (info?.uuid && typeof provider?.request === "function") {
    announced.set(String(info.uuid), { info, provider });
  }
});
dispatchEvent(new Event("eip6963:requestProvider"));

function remembered() {
  try { return sessionStorage.getItem(CHOICE); } catch { return null; }
}

function remember(name) {
  try {
    if (name === null) sessionStorage.removeItem(CHOICE); else sessionStorage.setItem(CHOICE, name);
  } catch { /* storage is switched off: asked again on the next page */ }
}

/** Return every wallet of this browser; the old way counts where nobody announced itself so. */
async function wallets(texts) {
  if (!announced.size) {
    dispatchEvent(new Event("eip6963:requestProvider"));
    await new Promise((resolve) => { setTimeout(resolve, ANNOUNCE_MS); });
  }
  const found = [...announced.values()];
  const old = window.ethereum;
  if (!found.length && typeof old?.request === "function") {
    const info = { uuid: "injected", rdns: "injected", name: texts.browser_wallet, icon: "" };
    found.push({ info, provider: old });
  }
  return found;
}

async function choose(texts) {
  const found = await wallets(texts);
  if (!found.length) {
    await tell(texts.none_title, texts.none, texts);
    return null;
  }
  const kept = found.find((one) => one.info.rdns === remembered());
  if (kept) return kept;
  return found.length === 1 ? found[0] : ask(found, texts);
}

// --- connecting ----------------------------------------------------------------------------------

let current = null;

/** Return { provider, account } of the wallet that the reader chose; null when none was. */
export async function connectWallet() {
  const { texts } = await words();
  const chosen = current?.wallet ?? await choose(texts);
  if (!chosen) return null;
  const accounts = await chosen.provider.request({ method: "eth_requestAccounts" });
  const account = accounts?.[0];
  if (!account) throw new WalletError(texts.no_account);
  if (!current) {
    chosen.provider.on?.("accountsChanged", changed);
    chosen.provider.on?.("disconnect", () => { current = null; show(null, texts); });
  }
  current = { wallet: chosen, provider: chosen.provider, account };
  remember(chosen.info.rdns ?? null);
  show(account, texts);
  return current;
}

async function changed(accounts) {
  const { texts } = await words();
  if (current) current.account = accounts?.[0] ?? null;
  if (!current?.account) current = null;
  show(current?.account ?? null, texts);
}

function short(account) {
  return `${account.slice(0, 8)}…${account.slice(-4)}`;
}

function show(account, texts) {
  const text = account ? fill(texts.connected, { account: short(account) }) : "";
  for (const place of document.querySelectorAll("[data-wallet-account]")) {
    place.textContent = text;
    place.title = account ?? "";
  }
  for (const button of document.querySelectorAll("[data-connect]")) button.hidden = Boolean(account);
  document.dispatchEvent(new CustomEvent("wallet:account", { detail: { account } }));
}

/** Show again what was chosen on the page before, without asking anything. */
async function resume() {
  if (!remembered()) return;
  const { texts } = await words();
  const kept = (await wallets(texts)).find((one) => one.info.rdns === remembered());
  const accounts = await kept?.provider.request({ method: "eth_accounts" });
  if (!accounts?.length || current) return;
  kept.provider.on?.("accountsChanged", changed);
  current = { wallet: kept, provider: kept.provider, account: accounts[0] };
  show(accounts[0], texts);
}

async function rightChain(provider, chain, texts, status) {
  const chainId = `0x${chain.chain_id.toString(16)}`;
  const now = await provider.request({ method: "eth_chainId" });
  if (BigInt(now) === BigInt(chain.chain_id)) return;
  status(texts.switching);
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
  } catch (error) {
    const code = error?.data?.originalError?.code ?? error?.code;
    if (code !== UNKNOWN_CHAIN || !chain.rpc.length) throw error;
    const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
    const wanted = { chainId, chainName: chain.chain_name, rpcUrls: chain.rpc, nativeCurrency };
    await provider.request({ method: "wallet_addEthereumChain", params: [wanted] });
  }
  const then = await provider.request({ method: "eth_chainId" });
  if (BigInt(then) !== BigInt(chain.chain_id)) {
    throw new WalletError(fill(texts.wrong_chain, { chain: chain.chain_id }));
  }
}

// --- dialogs -------------------------------------------------------------------------------------

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

let opened = 0;

/** Return an open dialog with a heading; it leaves the page when it is closed. */
function dialog(title) {
  opened += 1;
  const id = `wallet-dialog-${opened}`;
  const box = element("dialog", { className: "wallet" });
  box.setAttribute("aria-labelledby", id);
  const heading = element("h2", { id, textContent: title });
  heading.style.marginTop = "0";
  box.append(heading);
  document.body.append(box);
  box.addEventListener("close", () => box.remove());
  box.showModal();
  return box;
}

function tell(title, text, texts) {
  return new Promise((resolve) => {
    const box = dialog(title);
    const close = element("button", { type: "button", textContent: texts.close });
    close.addEventListener("click", () => box.close());
    box.append(element("p", { textContent: text }), element("p", { className: "actions" }, close));
    box.addEventListener("close", resolve);
    close.focus();
  });
}

function ask(found, texts) {
  return new Promise((resolve) => {
    const box = dialog(texts.choose);
    const list = element("ul", { className: "plain" });
    let chosen = null;
    for (const one of found) {
      const button = element("button", { type: "button", className: "plain" });
      if (String(one.info.icon ?? "").startsWith("data:image/")) {
        button.append(element("img", { src: one.info.icon, alt: "", width: 24, height: 24 }), " ");
      }
      button.append(String(one.info.name ?? one.info.rdns).slice(0, 60));
      button.addEventListener("click", () => { chosen = one; box.close(); });
      list.append(element("li", {}, button));
    }
    const cancel = element("button", {
      type: "button", className: "plain", textContent: texts.cancel,
    });
    cancel.addEventListener("click", () => box.close());
    box.append(list, element("p", { className: "actions" }, cancel));
    box.addEventListener("close", () => resolve(chosen));
    list.querySelector("button").focus();
  });
}

/** Return the dialog of one action: its steps, what happens now, and what to press. */
function review(prepared, texts) {
  const box = dialog(texts.review);
  const list = element("ol", { className: "steps" });
  const states = prepared.calls.map((call) => {
    const state = element("span", { className: "state" });
    const exactly = element("details", {}, element("summary", { textContent: texts.details }));
    exactly.append(
      element("p", {}, `${texts.to}: `, element("code", { className: "long", textContent: call.to })),
      element("p", {}, `${texts.data}: `,
        element("code", { className: "long", textContent: call.data })),
    );
    list.append(element("li", {}, element("p", { textContent: call.does }), state, exactly));
    return state;
  });
  const count = prepared.calls.length;
  const status = element("p", {
    className: "status",
    textContent: count === 1 ? texts.one_call : fill(texts.many_calls, { count }),
  });
  status.setAttribute("role", "status");
  const go = element("button", { type: "button", textContent: texts.go });
  const cancel = element("button", { type: "button", className: "plain", textContent: texts.cancel });
  cancel.addEventListener("click", () => box.close());
  box.append(list, status, element("p", { className: "actions" }, go, cancel));
  go.focus();
  const agreed = new Promise((resolve) => {
    go.addEventListener("click", () => { go.hidden = true; resolve(true); }, { once: true });
    box.addEventListener("close", () => resolve(false));
  });
  return { box, states, status, agreed, cancel };
}

// --- doing ---------------------------------------------------------------------------------------

/**
 * Prepare an action, show what each call does, have the wallet send the calls one after the other.
 * Returns true when all are on chain. `options.own`: the account that alone may do it;
 * `options.status(text)`: hears how it goes before the dialog opens.
 */
export async function sendPrepared(action, values, options = {}) {
  const status = options.status ?? say;
  const { texts, ...chain } = await words();
  status(texts.connecting);
  const wallet = await connectWallet();
  if (!wallet) { status(""); return false; }
  if (options.own && options.own.toLowerCase() !== wallet.account.toLowerCase()) {
    const between = { has: short(wallet.account), needs: short(options.own) };
    throw new WalletError(fill(texts.wrong_account, between));
  }
  status(texts.preparing);
  const wish = { ...values, account: wallet.account };
  const prepared = await post(`/api/v1/actions/${encodeURIComponent(action)}`, wish);
  status("");
  const shown = review(prepared, texts);
  if (!await shown.agreed) { status(texts.refused); return false; }
  const done = await carryOut(wallet, chain, prepared, shown, texts);
  status(shown.status.textContent);
  return done;
}

async function carryOut(wallet, chain, prepared, shown, texts) {
  const tell_ = (text) => { shown.status.textContent = text; };
  shown.cancel.textContent = texts.close;
  try {
    await rightChain(wallet.provider, chain, texts, tell_);
    const count = prepared.calls.length;
    for (const [place, call] of prepared.calls.entries()) {
      tell_(fill(texts.signing, { step: place + 1, count }));
      const request = {
        from: wallet.account, to: call.to, data: call.data, value: hex(call.value),
      };
      const tx = await wallet.provider.request({
        method: "eth_sendTransaction", params: [request],
      });
      tell_(texts.sent);
      const link = element("a", { href: `/transactions/${tx}`, textContent: texts.sent_link });
      shown.states[place].replaceChildren(link);
      await mined(tx, texts);
      shown.states[place].replaceChildren(`${texts.succeeded} `, link);
      shown.states[place].closest("li").classList.add("done");
    }
  } catch (error) {
    shown.status.classList.add("notice", "bad");
    tell_(explain(error, texts));
    shown.cancel.focus();
    return false;
  }
  shown.status.classList.add("notice", "ok");
  tell_(texts.all_done);
  shown.cancel.focus();
  shown.box.addEventListener("close", () => location.reload());
  return true;
}

function hex(digits) {
  return `0x${BigInt(digits).toString(16)}`;
}

/** Wait until a transaction is in a block; throw when it failed there. */
async function mined(tx, texts) {
  const until = Date.now() + WAIT_MS;
  let pause = POLL_FIRST_MS;
  while (Date.now() < until) {
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    pause = Math.min(pause * 1.5, POLL_LAST_MS);
    const found = await fetchJson(`/api/v1/transactions/${tx}`, { cache: "no-store" });
    if (found.state === "succeeded") return;
    if (found.state === "failed") throw new WalletError(texts.failed);
  }
  throw new WalletError(texts.slow);
}

/** Sign in with a message that the wallet signs; then go to `next`, a path of this site. */
export async function signIn(next, status = say) {
  const { texts } = await words();
  status(texts.connecting);
  const wallet = await connectWallet();
  if (!wallet) { status(""); return false; }
  const { message } = await post("/api/v1/session/message", { account: wallet.account });
  status(texts.sign_message);
  const bytes = new TextEncoder().encode(message);
  const data = `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const signature = await wallet.provider.request({
    method: "personal_sign", params: [data, wallet.account],
  });
  await post("/api/v1/session", { message, signature });
  location.assign(next || `/accounts/${wallet.account}`);
  return true;
}

/** End the session. */
export async function signOut() {
  await fetchJson("/api/v1/session", { method: "DELETE" });
  location.assign("/session");
}

// --- wiring --------------------------------------------------------------------------------------

/** Run one press of a button: it cannot be pressed twice, and what went wrong stands beside it. */
async function pressed(button, place, work) {
  const { texts } = await words().catch(() => ({ texts: {} }));
  const status = (text, tone = "") => {
    place.textContent = text;
    place.className = text && tone ? `status notice ${tone}` : "status";
  };
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work(status);
  } catch (error) {
    status(explain(error, texts), "bad");
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    if (document.activeElement === document.body) button.focus();
  }
}

function statusAfter(node) {
  const place = element("p", { className: "status" });
  place.setAttribute("role", "status");
  node.after(place);
  return place;
}

function wireForm(form) {
  const place = statusAfter(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    if (event.submitter?.name) values[event.submitter.name] = event.submitter.value;
    const button = event.submitter ?? form.querySelector("button");
    const options = { own: form.dataset.own };
    pressed(button, place, (status) => sendPrepared(form.dataset.action, numbers(values), {
      ...options, status,
    }));
  });
  form.hidden = false;
}

/** Fields that the server wants as numbers. */
function numbers(values) {
  const made = { ...values };
  for (const name of ["device", "proposal"]) {
    if (typeof made[name] === "string" && /^\d+$/.test(made[name])) made[name] = Number(made[name]);
  }
  return made;
}

function wireButton(button, work) {
  const place = statusAfter(button);
  button.addEventListener("click", () => pressed(button, place, work));
  button.hidden = false;
}

for (const node of document.querySelectorAll("[data-action]")) {
  if (node instanceof HTMLFormElement) { wireForm(node); continue; }
  const values = () => numbers(JSON.parse(node.dataset.values ?? "{}"));
  wireButton(node, (status) => sendPrepared(node.dataset.action, values(), {
    own: node.dataset.own, status,
  }));
}
for (const node of document.querySelectorAll("[data-sign-in]")) {
  wireButton(node, (status) => signIn(node.dataset.next, status));
}
for (const node of document.querySelectorAll("[data-sign-out]")) wireButton(node, () => signOut());
for (const node of document.querySelectorAll("[data-connect]")) {
  wireButton(node, () => connectWallet());
}
resume().catch(() => remember(null));
