/**
 * The proof viewer: runs the checks in this page and shows each step. It asks nobody anything,
 * except the reader's own wallet when the reader says so.
 */

import { ProofError, equal, fromHex, hasWebCrypto, toHex } from "./proof-bytes.js";
import { WalletChain, findWallets } from "./proof-chain.js";
import { checkPayoutProof } from "./proof-epoch.js";
import { FILE_BYTES_MAX, PAYOUT_FORMAT, parseProof } from "./proof-form.js";
import { EDDSA, ES256, KEY_BYTES } from "./proof-keys.js";
import { decodeReceipt, receiptKeyId, splitTransparent } from "./proof-log.js";
import { checkStatementProof, checkTransparent } from "./proof-statement.js";
import { tamper, tamperable } from "./proof-tamper.js";

const WORDS = readJson("proof-words") ?? {};
const MARKS = { ok: "✓", fail: "✗", told: "≈", skip: "–" };
const TONES = { ok: "ok", fail: "bad", told: "wait", skip: "plain" };
/** Steps that only compute: there is nothing yet to compare their result with. */
const COMPUTED = new Set(["leaf", "node", "payout_words", "payout_leaf", "payout_node"]);
/** First steps: where one fails, nothing of the file could be read, so nothing can be tried. */
const FORMS = new Set(["form", "receipt_form"]);
const SIGN1_BYTE = 0xd2;

const page = document.querySelector("[data-proof-viewer]");
const part = (name) => page.querySelector(`[data-proof="${name}"]`);

/** What is shown now: {kind, document, data, tampered}. */
let shown = null;
let chain = null;
let run = 0;

function readJson(id) {
  const element = document.getElementById(id);
  return element === null ? null : JSON.parse(element.textContent);
}

/** Return the words of a code, its places filled; the code itself where there are none. */
function say(code, values = {}) {
  return (WORDS[code] ?? code).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

function element(name, { text = null, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  made.append(...children.filter((child) => child !== null));
  return made;
}

// --- checking -----------------------------------------------------------------------------------

async function check() {
  const mine = ++run;
  if (!hasWebCrypto()) {
    showVerdict("bad", say("verdict.unable"));
    return;
  }
  const result = await checkShown();
  if (mine !== run) return; // another check began meanwhile
  const [first] = result.steps;
  if (!shown.tampered && first?.status === "fail" && FORMS.has(first.id)) {
    showUnreadable(first);
    return;
  }
  part("steps").replaceChildren(...result.steps.map(showStep));
  part("result").hidden = false;
  const names = (ids) => [...new Set(ids)].map((id) => say(`step.${id}`)).join("; ");
  const fails = result.verdict === "fails";
  const verdict = fails
    ? say("verdict.fails", { steps: names(result.failed) })
    : say(`verdict.${shown.kind}.${result.verdict}`);
  const skipped = result.skipped.length ? say("skipped", { steps: names(result.skipped) }) : "";
  const tone = { holds: "ok", told: "plain", open: "wait", fails: "bad" }[result.verdict];
  const tampered = shown.tampered ? say("tampered", { field: shown.tampered }) : "";
  showVerdict(tone, verdict, [tampered, skipped], result);
}

async function checkShown() {
  if (shown.kind === "receipt") {
    return checkTransparent(shown.data, await expectedKeys(shown.data));
  }
  const verify = shown.kind === "payout" ? checkPayoutProof : checkStatementProof;
  return verify(shown.document, chain);
}

function showVerdict(tone, text, more = [], result = null) {
  const verdict = part("verdict");
  verdict.className = `notice ${tone} proof-verdict`;
  verdict.dataset.verdict = result?.verdict ?? "unable";
  verdict.dataset.failed = result?.failed.join(" ") ?? "";
  const mark = tone === "bad" ? "✗" : tone === "ok" ? "✓" : "≈";
  const sign = element("span", { "aria-hidden": "true", text: `${mark} ` });
  const others = more.filter(Boolean).map((line) => element("p", { text: line }));
  verdict.replaceChildren(element("p", {}, element("strong", {}, sign, text)), ...others);
}

/** Say of a file that is no proof what is wrong with it, and what to do. There is no more to it. */
function showUnreadable({ id, reason, where }) {
  run += 1; // a check of the file before it may still be under way
  shown = null;
  part("result").hidden = true;
  part("steps").replaceChildren();
  part("tamper").elements.field.replaceChildren();
  const why = say(`reason.${reason}`) + (where ? ` ${say("where", { where })}` : "");
  const failed = { verdict: "fails", failed: [id] };
  showVerdict("bad", say("verdict.unreadable"), [why, say("unreadable.do")], failed);
}

function showStep(step) {
  const computed = COMPUTED.has(step.id);
  const status = element("span", { class: `badge ${computed ? "plain" : TONES[step.status]}` });
  const mark = computed ? "=" : MARKS[step.status];
  status.append(
    element("span", { "aria-hidden": "true", text: `${mark} ` }),
    say(`status.${computed ? "computed" : step.status}`),
  );
  const marks = { "data-step": step.id, "data-status": step.status };
  const item = element("li", { class: "proof-step", ...marks });
  const title = say(`step.${step.id}`, { number: step.number ?? "" });
  item.append(
    element("h3", {}, element("span", { text: title }), status),
    element("p", { class: "proof-what", text: say(`what.${step.id}`) }),
  );
  if (step.reason !== null) {
    const where = step.where ? ` ${say("where", { where: step.where })}` : "";
    item.append(element("p", { class: "proof-why", text: say(`reason.${step.reason}`) + where }));
  }
  if (step.values.length) {
    const details = element("details", {}, element("summary", { text: say("details") }));
    details.open = step.status === "fail";
    details.append(element("dl", { class: "facts" }, ...step.values.flatMap(showValue)));
    item.append(details);
  }
  if (step.result !== null) {
    const label = element("span", { class: "proof-label", text: say("result") });
    const result = element("code", { class: "long", text: step.result });
    item.append(element("p", { class: "proof-result" }, label, result));
  }
  return item;
}

function showValue([name, value]) {
  const isHex = /^0x(?:[0-9a-f]{2})*$/.test(value);
  const length = say("bytes", { count: (value.length - 2) / 2 });
  const count = isHex && value.length > 70 ? ` (${length})` : "";
  const text = value === "yes" || value === "no" ? say(value) : value;
  const code = element("code", { class: "long", text });
  const isLong = value.length > 400;
  const shownValue = isLong ? element("div", { class: "proof-long", tabindex: "0" }, code) : code;
  return [element("dt", { text: say(`value.${name}`) + count }), element("dd", {}, shownValue)];
}

// --- what is to be checked ----------------------------------------------------------------------

function show(kind, { document: proof = null, data = null, tampered = null }) {
  const original = tampered ? shown.original : (proof ?? data);
  shown = { kind, document: proof, data, tampered, original };
  if (!tampered) offerFields();
  return check();
}

function showDocument(proof) {
  return show(proof.format === PAYOUT_FORMAT ? "payout" : "statement", { document: proof });
}

/** Take a file's bytes: JSON, or a statement with its receipt. */
function showBytes(bytes) {
  try {
    if (bytes.length > FILE_BYTES_MAX) throw new ProofError("too_large");
    if (bytes[0] === SIGN1_BYTE) return show("receipt", { data: bytes });
    return showDocument(parseProof(new TextDecoder().decode(bytes)));
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return showUnreadable({ id: "form", reason: error.code, where: error.where });
  }
}

function showText(text) {
  const packed = text.replace(/\s+/g, "").replace(/^0x/, "");
  if (packed.startsWith("d2") && /^(?:[0-9a-f]{2})+$/i.test(packed)) {
    return showBytes(fromHex(`0x${packed.toLowerCase()}`));
  }
  return showBytes(new TextEncoder().encode(text));
}

/** Return what a receipt is compared with: the reader's own entries, else what the page knows. */
async function expectedKeys(data) {
  const known = readJson("proof-keys") ?? { network: null, logs: [] };
  const own = (name, lengths) => {
    const text = page.querySelector(`[name="${name}"]`)?.value.trim().toLowerCase() ?? "";
    if (!text) return null;
    try {
      const bytes = fromHex(text.startsWith("0x") ? text : `0x${text}`);
      return lengths.includes(bytes.length) ? bytes : null;
    } catch {
      return null;
    }
  };
  const device = own("device_key", [...KEY_BYTES.values()]);
  const receipt = own("receipt_key", [KEY_BYTES.get(ES256)]);
  const log = await logOf(data, known.logs);
  return {
    network: known.network === null ? null : fromHex(known.network),
    receipt: receipt ?? (log ? fromHex(log.receipt_key) : null),
    log: log ? fromHex(log.id) : null,
    told: receipt === null,
    device: device && {
      algorithm: device.length === KEY_BYTES.get(EDDSA) ? EDDSA : ES256,
      public_key: device,
    },
  };
}

/** Return the known log that a receipt is of, or at least the one whose key signed it. */
async function logOf(data, logs) {
  let receipt;
  try {
    receipt = decodeReceipt(splitTransparent(data)[1][0]);
  } catch {
    return null; // the check says what is wrong with it
  }
  const named = logs.find(({ id }) => id === toHex(receipt.logId));
  if (named !== undefined) return named;
  for (const log of logs) {
    if (equal(await receiptKeyId(fromHex(log.receipt_key)), receipt.kid)) return log;
  }
  return null;
}

// --- tampering, wallets, files ------------------------------------------------------------------

function offerFields() {
  const form = part("tamper");
  const fields = shown.document ? tamperable(shown.document) : [];
  form.hidden = !fields.length && !shown.data;
  const names = shown.data ? Array.from({ length: 16 }, (_, at) => `byte ${byteAt(at)}`) : fields;
  form.elements.field.replaceChildren(...names.map((name) => element("option", { text: name })));
}

/** Return one of sixteen places spread over a file. */
function byteAt(place) {
  return Math.floor((shown.original.length * (2 * place + 1)) / 32);
}

function flipShown(event) {
  event.preventDefault();
  const { value: field, selectedIndex } = event.currentTarget.elements.field;
  if (shown.data === null) {
    return show(shown.kind, { document: tamper(shown.original, field), tampered: field });
  }
  const data = Uint8Array.from(shown.original);
  data[byteAt(selectedIndex)] ^= 1;
  return show(shown.kind, { data, tampered: field });
}

function restore() {
  const { original, kind } = shown;
  return kind === "receipt" ? show(kind, { data: original }) : show(kind, { document: original });
}

async function offerWallets() {
  const wallets = await findWallets();
  const buttons = wallets.map(({ name, provider }) => {
    const label = say("wallets.ask", { name: name || say("wallets.nameless") });
    const button = element("button", { type: "button", class: "plain", text: label });
    button.addEventListener("click", () => {
      chain = new WalletChain(provider);
      check();
    });
    return button;
  });
  const none = element("small", { text: say("wallets.none") });
  part("wallets").replaceChildren(...(buttons.length ? buttons : [none]));
}

function takeFiles() {
  const form = part("open");
  if (form === null) return;
  const { source, file } = form.elements;
  const read = async (blob) => showBytes(new Uint8Array(await blob.arrayBuffer()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    showText(source.value);
  });
  file.addEventListener("change", () => file.files.length && read(file.files[0]));
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer.files;
    if (dropped) read(dropped);
  });
  form.hidden = false;
}

function begin() {
  page.hidden = false;
  part("tamper").addEventListener("submit", flipShown);
  part("restore").addEventListener("click", restore);
  takeFiles();
  offerWallets();
  const given = readJson("proof-data");
  if (given !== null) showDocument(given);
}

if (page !== null) begin();
