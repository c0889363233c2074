// Forms in a modal dialog: fields from a list, faults beside them. Typed values stay if sending fails.
import { sentence } from "../core/api.js";
import { button, clear, h } from "../core/dom.js";

let counter = 0;

// A field: {name, label, type, required, hint, options, value, list, when(values)}.
export class Field {
  /** @param {FieldSpec} spec */
  constructor(spec) {
    this.spec = spec;
    this.id = `field-${(counter += 1)}`;
    this.control = control(spec, this.id);
    this.fault = h("p", { class: "fault", id: `${this.id}-fault`, hidden: true });
    const label = h("label", { for: this.id }, spec.label, spec.required ? null : h("span", { class: "soft optional" }, spec.type === "checkbox" ? "" : " (optional)"));
    const hint = spec.hint && h("p", { class: "hint", id: `${this.id}-hint` }, spec.hint);
    const list = spec.list?.length ? h("datalist", { id: `${this.id}-list` }, spec.list.map((one) => h("option", { value: one }))) : null;
    this.control.setAttribute("aria-describedby", [hint && `${this.id}-hint`, `${this.id}-fault`].filter(Boolean).join(" "));
    this.element = spec.type === "checkbox"
      ? h("div", { class: "field check" }, this.control, label, hint, this.fault)
      : h("div", { class: `field${spec.half ? " half" : ""}` }, label, hint, this.control, list, this.fault);
  }

  get value() {
    return this.control.type === "checkbox" ? /** @type {HTMLInputElement} */ (this.control).checked : this.control.value.trim();
  }

  // Returns whether it may be sent; shows beside the field what is wrong.
  check() {
    const { required, label, validate } = this.spec;
    const missing = required && this.value === "" ? `${label} is required.` : null;
    const wrong = missing ?? (this.control.validity.valid ? null : this.control.validationMessage) ?? validate?.(String(this.value)) ?? null;
    this.fault.textContent = wrong ?? "";
    this.fault.hidden = !wrong;
    if (wrong) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
    return !wrong;
  }
}

/**
 * @param {FieldSpec} spec
 * @param {string} id
 */
function control(spec, id) {
  const common = { id, name: spec.name, "aria-required": spec.required ? "true" : null };
  if (spec.type === "textarea") return h("textarea", { ...common, rows: spec.rows ?? 3, maxlength: spec.max ?? 2000, value: spec.value ?? "" });
  if (spec.type === "select") {
    const options = spec.options ?? [];
    const made = h("select", common, options.map(([value, text]) => h("option", { value }, text)));
    made.value = String(spec.value ?? options[0][0]);
    return made;
  }
  if (spec.type === "checkbox") return h("input", { ...common, type: "checkbox", checked: spec.checked });
  const list = spec.list?.length ? `${id}-list` : null;
  return h("input", { ...common, type: spec.type ?? "text", list, min: spec.min, step: spec.step, maxlength: spec.max ?? 200, autocomplete: "off", value: spec.value ?? "" });
}

/**
 * Asks; `submit(values)` sends and may raise a `Problem`, which the dialog shows. Resolves once closed.
 *
 * @param {Question & {submit: (values: FormValues) => Promise<unknown>}} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, fields = [], action, danger = false, submit, changed = null, refuse }) {
  const made = fields.map((spec) => new Field(spec));
  /** @returns {FormValues} */
  const values = () => Object.fromEntries(made.map((one) => [one.spec.name, one.value]));
  const alert = h("div", { class: "dialog-alert", role: "alert" });
  const aside = h("p", { class: "aside", "aria-live": "polite", hidden: true });
  const titleId = `dialog-${(counter += 1)}`;
  const go = h("button", { class: `button ${danger ? "danger" : "primary"}`, type: "submit" }, h("span", {}, action));
  const cancel = button("Cancel", () => dialog.close());
  const form = h("form", { novalidate: true, class: "dialog-form", on: { submit: sending, input: follow, change: follow } },
    h("h2", { id: titleId }, title),
    text && h("p", { class: "soft" }, text),
    h("div", { class: "fields" }, made.map((one) => one.element)),
    aside,
    alert,
    h("div", { class: "dialog-foot" }, cancel, go));
  const dialog = h("dialog", { "aria-labelledby": titleId }, form);

  function follow() {
    for (const one of made) if (one.spec.when) one.element.hidden = !one.spec.when(values());
    const sentence_ = changed?.(values());
    aside.hidden = !sentence_;
    if (sentence_ && aside.textContent !== sentence_) aside.textContent = sentence_;
  }

  /** @param {Event} event */
  async function sending(event) {
    event.preventDefault();
    if (go.disabled) return;
    const shown = made.filter((one) => !one.element.hidden);
    const wrong = shown.filter((one) => !one.check());
    if (wrong.length) return wrong[0].control.focus();
    clear(alert);
    const refused = refuse?.(values());
    if (refused) return clear(alert, h("p", { class: "notice" }, refused));
    go.disabled = true;
    try {
      await submit(values());
      dialog.close("sent");
    } catch (error) {
      clear(alert, h("p", { class: "notice" }, sentence(error)));
      go.disabled = false;
    }
  }

  follow();
  document.body.append(dialog);
  dialog.showModal();
  (made[0]?.control ?? go).focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "sent");
    });
  });
}
