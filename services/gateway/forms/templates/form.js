((settings) => {
  "use strict";

  const PATIENCE_MS = 30000;
  const AGAIN = [408, 409, 425, 429];
  const CHECK = "Please check what you entered";
  const UNSENT = "Not sent. What you typed is still here. Please try again in a moment.";
  const NOT_HERE = "Not sent. This form is not active on this page. Please let the owner of the site know.";
  const OUTDATED = "Not sent. Please copy what you typed, reload this page and try again.";

  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  /** @type {{content: string | null, id: string}} */
  let last = { content: null, id: "" };

  // If a page's policy lists allowed Trusted Types, "pantry-form" must be in the list.
  const policy = window.trustedTypes && window.trustedTypes.createPolicy("pantry-form", { createHTML: (html) => html });

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const pantry = element("div", "pantry");
  pantry.lang = "en";
  pantry.dir = "ltr";
  root.append(pantry);
  dress();
  warn();
  show(settings.form);
  script.after(host);

  const form = /** @type {HTMLFormElement} */ (pantry.querySelector("form"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  form.noValidate = true; // faults are shown in one place, in the gateway's words
  form.addEventListener("submit", submit);

  /**
   * @template {keyof HTMLElementTagNameMap} Tag
   * @param {Tag} tag
   * @param {string} name
   * @param {string} text
   */
  function element(tag, name, text = "") {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text;
    return made;
  }

  function warn() {
    if (!settings.sites || settings.sites.includes(location.origin)) return;
    console.error(
      `Pantry form: the form key "${settings.name}" is not allowed on ${location.origin}, so the gateway refuses` +
        ` what is sent here. Create a key for this site: pantry keys create NAME --kind form --origin ${location.origin}`,
    );
  }

  /** @param {string} html */
  function show(html) {
    pantry.innerHTML = policy ? policy.createHTML(html) : html;
  }

  function dress() {
    try {
      // A policy on styles doesn't block a constructed style sheet.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(settings.css);
      root.adoptedStyleSheets = [sheet];
    } catch {
      const style = element("style", "", settings.css);
      style.nonce = script.nonce;
      root.append(style);
    }
  }

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    if (button.disabled) return;
    clear();
    const faults = gaps();
    if (faults.length) {
      report(CHECK, faults);
      return;
    }
    wait(true);
    const answer = await post(JSON.stringify(lead())).catch(() => null);
    wait(false);
    await judge(answer);
  }

  /** @param {string} content */
  async function post(content) {
    // A changed form is a new message. The same one counts once, however often it is sent.
    if (content !== last.content) last = { content, id: unique() };
    return fetch(settings.action, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${settings.key}`,
        "idempotency-key": last.id,
      },
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
      body: content,
    });
  }

  function unique() {
    if (crypto.randomUUID) return crypto.randomUUID();
    // A page without TLS has no randomUUID.
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** @param {Response | null} answer */
  async function judge(answer) {
    if (answer && answer.ok) {
      finish();
    } else if (answer && answer.status === 422) {
      const problem = await answer.json().catch(() => ({}));
      const errors = problem.errors || [];
      report(CHECK, errors.map((/** @type {{path: string, message: string}} */ { path, message }) => ({ path, said: sentence(path, message) })));
    } else if (!answer || answer.status >= 500 || AGAIN.includes(answer.status)) {
      report(UNSENT, []);
    } else if (answer.status === 403) {
      const { detail } = await answer.json().catch(() => ({}));
      console.error(`Pantry form "${settings.name}" on ${location.origin}: ${detail || "refused"}`);
      report(NOT_HERE, []);
    } else {
      report(OUTDATED, []);
    }
  }

  function finish() {
    if (settings.redirect) {
      location.assign(settings.redirect);
      return;
    }
    show(settings.thanks);
    /** @type {HTMLElement} */ (pantry.querySelector("[role=status]")).focus();
  }

  function lead() {
    const entries = new FormData(form);
    const { company, contact, consent, attributes } = nested(entries);
    const painPoints = entries.getAll("requirements.painPoints").map((text) => String(text).trim()).filter(Boolean);
    return {
      company,
      contact,
      ...(painPoints.length > 0 && { requirements: { painPoints } }),
      ...(attributes && { attributes }),
      ...(consent && {
        consent: { email: consent.email === "yes", phone: consent.phone === "yes", wording: consent.wording },
      }),
      context: context(),
      form: { token: entries.get("_token"), website: entries.get("_website") },
    };
  }

  /**
   * @param {FormData} entries
   * @returns {Record<string, Record<string, string>>}
   */
  function nested(entries) {
    /** @type {Record<string, Record<string, string>>} */
    const parts = {};
    for (const [name, value] of entries) {
      const [part, field] = name.split(".");
      const text = String(value).trim();
      if (field && text) parts[part] = { ...parts[part], [field]: text };
    }
    return parts;
  }

  function context() {
    const campaign = [...new URLSearchParams(location.search)].filter(([name]) => /^utm_\w{1,40}$/.test(name));
    // The rest of the query may contain anything, so it is left out.
    return {
      page: location.origin + location.pathname,
      ...Object.fromEntries(campaign.slice(0, 10).map(([name, value]) => [name, value.slice(0, 200)])),
    };
  }

  // The form's elements. Those that a visitor fills in have a text as value.
  function fields() {
    return /** @type {HTMLInputElement[]} */ ([...form.elements]);
  }

  function gaps() {
    /** @param {HTMLInputElement} field */
    const empty = (field) => !field.value.trim();
    return fields()
      .filter((field) => field.dataset.missing && empty(field))
      .filter(({ dataset }) => !dataset.either || empty(/** @type {HTMLInputElement} */ (form.elements.namedItem(dataset.either))))
      .map(({ name, dataset }) => ({ path: name, said: dataset.missing ?? "" }));
  }

  /** @param {boolean} waiting */
  function wait(waiting) {
    button.disabled = waiting;
    button.textContent = waiting ? "Sending…" : "Send";
  }

  /**
   * @param {string} heading
   * @param {{path: string, said: string}[]} faults
   */
  function report(heading, faults) {
    const notice = element("div", "notice");
    notice.setAttribute("role", "alert");
    notice.tabIndex = -1;
    const list = element("ul", "");
    list.append(...faults.map(({ path, said }) => item(fieldOf(path), said)));
    notice.append(element("p", "notice-title", heading), ...(faults.length ? [list] : []));
    form.querySelector(".lead")?.after(notice);
    notice.focus();
  }

  /** @param {string} path */
  function fieldOf(path) {
    // A fault of a whole part is shown beside its main field; a fault of a list's entry beside the list.
    const either = fields().find(({ name, dataset }) => dataset.either && name.startsWith(`${path}.`));
    return either || fields().find(({ id }) => id && id === nameOf(path));
  }

  /** @param {string} path */
  function nameOf(path) {
    return path.split(".").slice(0, 2).join(".");
  }

  /**
   * @param {HTMLElement | undefined} field
   * @param {string} text
   */
  function item(field, text) {
    const entry = element("li", "", field ? "" : text);
    if (!field) return entry;
    mark(field, text);
    const link = element("a", "", text);
    link.href = `#${field.id}`;
    link.addEventListener("click", (event) => {
      event.preventDefault(); // fragments of the page don't reach into the shadow root
      field.focus();
    });
    entry.append(link);
    return entry;
  }

  /**
   * @param {string} path
   * @param {string} message
   */
  function sentence(path, message) {
    const label = settings.labels[nameOf(path)];
    const said = label ? `${label}: ${message}` : message.charAt(0).toUpperCase() + message.slice(1);
    return settings.advice[nameOf(path)] || said;
  }

  /**
   * @param {HTMLElement} field
   * @param {string} text
   */
  function mark(field, text) {
    if (field.hasAttribute("aria-invalid")) return;
    const note = element("p", "fault", text);
    note.id = `${field.id}-fault`;
    field.closest(".field, .check")?.append(note);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", [note.id, field.getAttribute("aria-describedby")].filter(Boolean).join(" "));
  }

  function clear() {
    form.querySelectorAll(".notice, .fault").forEach((notice) => notice.remove());
    form.querySelectorAll("[aria-invalid]").forEach((field) => {
      const hints = (field.getAttribute("aria-describedby") ?? "").split(" ").slice(1);
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
      if (hints.length) field.setAttribute("aria-describedby", hints.join(" "));
    });
  }
})(SETTINGS);
