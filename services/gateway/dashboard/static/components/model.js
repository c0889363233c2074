// The model behind the predictions, and how reliable it is.
import { h, icon } from "../core/dom.js";
import { ago, counted, dateOf, decimal, named, number, percent, sentenceCase } from "../core/format.js";

/** @type {Record<Schemas["Training"]["status"], string>} */
const OUTCOMES = {
  champion: "promoted",
  shadow: "kept for comparison with the one in use",
  refused: "refused",
  too_few: "skipped, because too few outcomes are known yet",
};

/** @param {Schemas["ModelCard"]} answer */
export function modelCard({ method, modelVersion, model, training, drift, progress }) {
  return h(
    "section",
    { class: "card model", "aria-labelledby": "model-title" },
    h("div", {}, h("h2", { id: "model-title" }, "Predictions"), h("p", { class: "soft" }, model ? learned(method, modelVersion, model) : "Estimated by a formula, not a probability: no model has been tested on enough outcomes yet."),
      model?.judged && h("p", { class: "soft" }, judged(model.judged, model.baseRateJudged)),
      progress && h("p", { class: "soft" }, `${number(progress.done)} of ${counted(progress.total, "open lead")} have its prediction so far.`),
      drift.length > 0 && h("p", { class: "fault", role: "status" }, icon("alert"), ` New leads differ from those it learned from: ${drift.map(driftText).join("; ")}.`),
      training && h("p", { class: "note" }, lastTraining(training)),
    ),
    model && cameTrue(model.calibration),
  );
}

/**
 * @param {Schemas["ModelCard"]["method"]} method
 * @param {number | null} version
 * @param {Schemas["Learned"]} model
 */
function learned(method, version, { trainedAt, examples, converted, horizonDays }) {
  const kind = method === "boosting" ? "boosted trees" : "logistic regression";
  return `Model ${version} (${kind}), trained on ${dateOf(trainedAt)} with ${counted(examples, "lead")}, of which ${number(converted)} converted within ${counted(horizonDays ?? 0, "day")}.`;
}

/** @param {Schemas["DriftAlarm"]} alarm */
const driftText = ({ what, measure, value }) => (measure === "ratio" ? `conversions are ${decimal(value)} times as frequent` : named(what.replace(/([A-Z])/g, " $1").toLowerCase()));

/**
 * @param {Schemas["ModelMetrics"]} own
 * @param {Schemas["ModelMetrics"] | null} base
 */
function judged(own, base) {
  return `On ${counted(own.examples, "later lead")} that it had not seen, predictions were off by ${percent(100 * own.calibrationError)} on average. Log loss ${hundredth(own.logLoss)} (${hundredth(base?.logLoss)} for the base rate), AUC ${hundredth(own.auc)}.`;
}

/** @param {Schemas["CalibrationBin"][]} calibration */
function cameTrue(calibration) {
  const head = ["Predicted", "Leads", "Converted"].map((text, n) => h("th", { scope: "col", class: n ? "figure" : null }, text));
  /** @param {Schemas["CalibrationBin"]} one */
  const line = (one) => h("tr", {}, h("th", { scope: "row" }, percent(100 * one.predicted)), h("td", { class: "figure" }, number(one.count)), h("td", { class: "figure" }, percent(100 * one.observed)));
  return h("table", { class: "plain" }, h("caption", { class: "soft" }, "Predicted and actual conversions"), h("thead", {}, h("tr", {}, head)), h("tbody", {}, calibration.map(line)));
}

/** @param {number | null | undefined} value */
const hundredth = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/** @param {Schemas["Training"]} training */
function lastTraining({ at, status, why, examples, converted, censored }) {
  const outcome = why.length && ["shadow", "refused"].includes(status) ? `${OUTCOMES[status]} (${why.join("; ")})` : OUTCOMES[status];
  const known = `${counted(examples, "lead")} with a known outcome, ${number(converted)} converted; ${counted(censored, "lead")} with no outcome yet.`;
  return `${sentenceCase(`last training ${ago(at)}`)}: ${outcome}. ${known}`;
}
