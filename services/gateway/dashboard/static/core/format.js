// Numbers, times and names for people, in the browser's language and time zone.
const whole = new Intl.NumberFormat();
const tenth = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const percentage = new Intl.NumberFormat(undefined, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const plainPercentage = new Intl.NumberFormat(undefined, { style: "percent" });
const change = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const calendarDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/**
 * Without a prototype: a typed word may have the name of one of its members.
 *
 * @type {Record<string, string>}
 */
const NAMES = {
  // @ts-expect-error: sets the prototype
  __proto__: null,
  trade_show: "Trade show",
  social_media: "Social media",
  follow_up: "Follow-up",
  email: "E-mail",
  todo: "To-do",
  not_json: "Not JSON",
  not_cloudevent: "Not a CloudEvent",
  "activity.recent": "Recent activities",
  "activity.email": "E-mails",
  "activity.call": "Calls",
  "activity.meeting": "Meetings",
  within_month: "Within a month",
  within_quarter: "Within a quarter",
  "(none)": "None given",
  "(others)": "Others",
};

/** @param {number} value */
export const number = (value) => whole.format(value);
/** @param {number} value */
export const decimal = (value) => tenth.format(value);
/** @param {number} value */
export const percent = (value) => (value === 0 || value === 100 ? plainPercentage : percentage).format(value / 100);
/** @param {number} share */
export const roughly = (share) => plainPercentage.format(share);
/** @param {number} value */
export const changeOf = (value) => change.format(value / 100);
/** @param {string} value */
export const dateOf = (value) => date.format(new Date(value));
/** @param {string} value */
export const when = (value) => moment.format(new Date(value));
/**
 * The time of the browser's zone in the form of a field for date and time.
 *
 * @param {string} value
 */
export function localTime(value) {
  const at = new Date(value);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
/**
 * The day, so many days after this one, at nine o'clock.
 *
 * @param {number} days
 * @param {Date} [now]
 */
export function morning(days, now = new Date()) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 9);
}
/**
 * The days until next Monday.
 *
 * @param {Date} [now]
 */
export const daysToMonday = (now = new Date()) => ((8 - now.getDay()) % 7) || 7;
/** @param {string} value */
export const clockTime = (value) => clock.format(new Date(value));

/**
 * A calendar day in the figures' zone must not shift to the browser's zone.
 *
 * @param {string} day
 */
export const dayOf = (day) => shortDay.format(new Date(`${day}T00:00:00Z`));
/** @param {string} day */
export const fullDayOf = (day) => calendarDay.format(new Date(`${day}T00:00:00Z`));
/** @param {string} day */
export const weekdayOf = (day) => longDay.format(new Date(`${day}T00:00:00Z`));

/** @param {string | null | undefined} word */
export function named(word) {
  if (word === null || word === undefined || word === "") return "";
  return NAMES[word] ?? sentenceCase(String(word).replaceAll("_", " "));
}

/** @param {string} text */
export const sentenceCase = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * @param {number} n
 * @param {string} one
 * @param {string} many
 */
export const counted = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/**
 * @param {number} value
 * @param {string} name
 */
const unit = (value, name) =>
  new Intl.NumberFormat(undefined, { style: "unit", unit: name, unitDisplay: "long", maximumFractionDigits: value < 10 ? 1 : 0 })
    .format(value);

/** @param {number} value */
export function hours(value) {
  if (value * 60 < 1) return "under a minute";
  if (value < 1) return unit(Math.round(value * 60), "minute");
  return value < 48 ? unit(value, "hour") : unit(value / 24, "day");
}

/** @param {number} value */
export function seconds(value) {
  if (value < 90) return unit(Math.round(value), "second");
  return value < 5400 ? unit(Math.round(value / 60), "minute") : hours(value / 3600);
}

/**
 * A span of hours as a chart's label: 0–1 h, 1–7 d, over 90 d.
 *
 * @param {number} from
 * @param {number | null} to
 */
export function span(from, to) {
  /**
   * @param {number} value
   * @returns {[number, string]}
   */
  const short = (value) => (value < 48 ? [value, "h"] : [value / 24, "d"]);
  if (to === null) return `> ${short(from)[0]} ${short(from)[1]}`;
  const [end, sign] = short(to);
  const start = sign === "d" ? from / 24 : from;
  return `${decimal(start)}–${decimal(end)} ${sign}`;
}

/**
 * @param {string} value
 * @param {number} now
 */
export function ago(value, now = Date.now()) {
  const passed = (new Date(value).getTime() - now) / 1000;
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const steps = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
  let amount = passed;
  for (const [name, size] of steps) {
    if (Math.abs(amount) < size) return name === "second" ? "just now" : relative.format(Math.trunc(amount), name);
    amount /= size;
  }
  return moment.format(new Date(value));
}

/**
 * @param {number} value
 * @param {string | null} currency
 */
export function money(value, currency = null) {
  if (!currency) return whole.format(value);
  return new Intl.NumberFormat(undefined, { style: "currency", currency, maximumFractionDigits: 0 }).format(value);
}

/** @param {Lead} lead */
export const personOf = (lead) => [lead.contact?.firstName, lead.contact?.lastName].filter(Boolean).join(" ") || "Nameless";
/** @param {Lead} lead */
export const companyOf = (lead) => lead.company?.name || "No company given";
/** @param {string} name */
export const ownerName = (name) => (name === "(none)" ? "Unassigned" : name);
