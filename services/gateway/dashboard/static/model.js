// What predictions are made by, and how far they can be trusted.
import { h, icon } from "./dom.js";
import { ago, counted, dateOf, decimal, named, number, percent, sentenceCase } from "./format.js";

const OUTCOMES = {
  champion: "promoted",
  shadow: "kept beside the one in use, to be compared",
  refused: "refused",
  too_few: "not made: too few outcomes are known yet",
};

export function modelCard({ method, modelVersion, model, training, drift, progress }) {
  return h(
    "section",
    { class: "card model", "aria-labelledby": "model-title" },
    h("div", {}, h("h2", { id: "model-title" }, "Predictions"), h("p", { class: "soft" }, model ? learned(method, modelVersion, model) : "By a formula, which ranks leads and is no probability: no model has proved itself on enough outcomes yet."),
      model?.judged && h("p", { class: "soft" }, judged(model)),
      progress && h("p", { class: "soft" }, `${number(progress.done)} of ${counted(progress.total, "open lead")} are predicted by it so far.`),
      drift.length > 0 && h("p", { class: "fault", role: "status" }, icon("alert"), ` Leads have changed since: ${drift.map(told).join("; ")}.`),
      training && h("p", { class: "note" }, lastTraining(training)),
    ),
    model && cameTrue(model.calibration),
  );
}

function learned(method, version, { trainedAt, examples, converted, horizonDays }) {
  const kind = method === "boosting" ? "boosted trees" : "logistic regression";
  return `Model ${version} (${kind}) of ${dateOf(trainedAt)}, learned from ${counted(examples, "lead")}, ${number(converted)} of which converted within ${counted(horizonDays, "day")}.`;
}

const told = ({ what, measure, value }) => (measure === "ratio" ? `conversions are ${decimal(value)} times as frequent` : named(what.replace(/([A-Z])/g, " $1").toLowerCase()));

function judged({ judged: own, baseRateJudged: base }) {
  return `On ${counted(own.examples, "later lead")} it had not seen, predictions were off by ${percent(100 * own.calibrationError)} on average; log loss ${hundredth(own.logLoss)} (${hundredth(base.logLoss)} by the base rate), AUC ${hundredth(own.auc)}.`;
}

function cameTrue(calibration) {
  const head = ["Predicted", "Leads", "Converted"].map((text, n) => h("th", { scope: "col", class: n ? "figure" : null }, text));
  const line = (one) => h("tr", {}, h("th", { scope: "row" }, percent(100 * one.predicted)), h("td", { class: "figure" }, number(one.count)), h("td", { class: "figure" }, percent(100 * one.observed)));
  return h("table", { class: "plain" }, h("caption", { class: "soft" }, "What came true, of leads predicted alike"), h("thead", {}, h("tr", {}, head)), h("tbody", {}, calibration.map(line)));
}

const hundredth = (value) => (value === null ? "–" : value.toFixed(2));

function lastTraining({ at, status, why, examples, converted, censored }) {
  const outcome = why.length && ["shadow", "refused"].includes(status) ? `${OUTCOMES[status]} (${why.join("; ")})` : OUTCOMES[status];
  const known = `${counted(examples, "lead")} with a known outcome, ${number(converted)} converted; the outcome of ${number(censored)} is to come.`;
  return `${sentenceCase(`last training ${ago(at)}`)}: ${outcome}. ${known}`;
}
