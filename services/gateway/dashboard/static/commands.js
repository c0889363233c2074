// Sends a command, and watches the lead's timeline until it shows the outcome.
import { get, send, sentence } from "./api.js";

const EVERY_MS = 1500;
const PATIENCE_MS = 20_000;

// Returns the event's id once the gateway has accepted the command. Raises `Problem`.
export async function take({ method, path, body }, id) {
  const { eventId } = await send(method, path, body, id);
  return eventId;
}

// Returns the outcome: {state: "done" | "rejected" | "unknown", text}. Looks at each change, and every 1.5 s.
export async function outcome(leadId, command, eventId, live) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const found = await look(leadId, command, eventId);
    if (found) return found;
    await pause(live);
  }
  return { state: "unknown", text: "Accepted, but not handled yet. The workers handle it as soon as they can." };
}

async function look(leadId, command, eventId) {
  try {
    const { events } = await get(`/v1/leads/${encodeURIComponent(leadId)}/timeline?limit=50`);
    return verdict(events, command, eventId);
  } catch (error) {
    if (error.status === 404 && command.erases) return { state: "done", text: "The lead’s personal data is erased." };
    return error.status === 404 || error.status === 403 ? { state: "unknown", text: sentence(error) } : null;
  }
}

export function verdict(events, command, eventId) {
  const effects = events.filter((one) => one.causationId === eventId);
  const refused = effects.find((one) => one.topic === "leads.rejected");
  if (refused) return { state: "rejected", text: refused.details?.detail ?? refused.text };
  const effect = effects.find((one) => !command.outcomes || command.outcomes.includes(one.topic)) ?? effects[0];
  const itself = command.records && events.find((one) => one.eventId === eventId);
  const found = effect ?? itself;
  return found ? { state: "done", text: found.text } : null;
}

function pause(live) {
  return new Promise((done) => {
    const stop = live.listen(end);
    const timer = setTimeout(end, EVERY_MS);
    function end() {
      stop();
      clearTimeout(timer);
      done();
    }
  });
}
