// The form of alerts: the address field fits the way that was chosen.

const form = document.querySelector("[data-alert-form]");

function fit() {
  const target = form.elements.target;
  const email = form.elements.channel.value === "email";
  target.type = email ? "email" : "url";
  target.placeholder = email ? target.dataset.email : target.dataset.webhook;
  target.autocomplete = email ? "email" : "url";
}

if (form) {
  for (const choice of form.elements.channel) choice.addEventListener("change", fit);
  fit();
}
