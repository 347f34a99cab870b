/** Loops on their nodes: live events in, wishes out, past runs again after a reload. */

import { after } from "./callbacks.js";
import { allNodes, nodeAt } from "./graph.js";
import { mark } from "./mounts.js";
import { recall, remember } from "./results.js";
import { emptyRun, take } from "./run_model.js";
import { createRunView } from "./run_view.js";

/** @typedef {Comfy.Node} Node */
/**
 * What the server tells of a run.
 * @typedef {{run: string, node: string, workflow: string, prompt_id: string, events: any[]}} Message
 */

const HEIGHT = 480;
const ADDRESS = "/emofeedback/runs/";
const GONE = "The results of the last run are not kept any more. Run the loop again.";
const CUT_OFF = "The loop ended early; what it found until then is shown.";

/** The panel of one node, and the run that it shows. */
class Panel {
  /** @param {Comfy.Api} api */
  constructor(api) {
    this.api = api;
    this.id = "";
    this.promptId = "";
    this.run = emptyRun();
    this.going = false;
    this.note = "";
    this.due = false;
    this.view = createRunView({
      onAccept: () => this.wish("accept", {}),
      onSkip: () => this.wish("skip", { round: this.run.doing?.round }),
    });
  }

  /** Shows what is known, once a frame at most: rounds of many pictures come in bursts. */
  refresh() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.view.show(this.run, { going: this.going, note: this.note });
    });
  }

  /** @param {Message} message */
  hear({ run, prompt_id, events }) {
    if (run !== this.id) {
      this.begin(run);
      if (events[0]?.kind !== "start") this.fetch();
    }
    this.promptId = prompt_id;
    take(this.run, events);
    this.going = !this.run.ended;
    if (events.length) this.note = "";
    this.refresh();
  }

  /** @param {string} run */
  begin(run) {
    this.id = run;
    this.run = emptyRun();
    this.going = false;
    this.note = "";
  }

  /**
   * Shows a past run, from the server's record of it.
   * @param {string} run
   */
  recall(run) {
    if (run !== this.id) this.begin(run);
    return this.fetch();
  }

  async fetch() {
    const { id } = this;
    const answer = await this.api.fetchApi(ADDRESS + encodeURIComponent(id)).catch(() => null);
    const found = answer?.ok ? await answer.json().catch(() => null) : null;
    if (id !== this.id) return; // another run began meanwhile
    if (found) {
      take(this.run, found.events);
      this.going = found.running && !this.run.ended;
      this.note = found.running || this.run.ended ? "" : CUT_OFF;
    } else if (!this.run.plan) {
      this.note = GONE;
    }
    this.refresh();
  }

  /** The prompt ended, whichever way: a loop that did not is cut off. */
  stop() {
    if (!this.going) return;
    this.going = false;
    this.run.doing = null;
    if (!this.run.ended) this.note = CUT_OFF;
    this.refresh();
  }

  /**
   * @param {"accept" | "skip"} what
   * @param {object} more
   */
  async wish(what, more) {
    const answer = await this.api
      .fetchApi(`${ADDRESS}${encodeURIComponent(this.id)}/${what}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ client_id: this.api.clientId ?? this.api.initialClientId, ...more }),
      })
      .catch(() => null);
    const done =
      what === "accept" ? "Stopping, the best picture is kept ..." : "Skipping this round ...";
    const refused = await answer?.json().catch(() => null);
    this.note = answer?.ok ? done : (refused?.error ?? "The server does not answer.");
    this.refresh();
  }
}

/** Every panel of the page, by its node. */
export class Panels {
  /**
   * @param {Comfy.App} app
   * @param {Comfy.Api} api
   */
  constructor(app, api) {
    this.app = app;
    this.api = api;
    /** @type {WeakMap<Node, Panel>} */
    this.panels = new WeakMap();
  }

  /** Starts to listen to the server. */
  listen() {
    this.api.addEventListener("emofeedback.run", ({ detail }) => this.hear(detail));
    for (const end of ["execution_success", "execution_error", "execution_interrupted"])
      this.api.addEventListener(end, ({ detail }) => this.end(detail?.prompt_id));
    // The server was away: what it was doing may be gone.
    this.api.addEventListener("reconnected", () => this.recallAll());
  }

  /**
   * Puts a panel on a node that shows a loop.
   * @param {Node} node
   */
  add(node) {
    const panel = new Panel(this.api);
    this.panels.set(node, panel);
    mark(panel.view.element);
    const widget = node.addDOMWidget("run", "emofb_run", panel.view.element, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => HEIGHT,
    });
    widget.serialize = false;
    after(node, "onExecuted", (output) => {
      const run = output?.emofb_run?.[0];
      if (typeof run !== "string" || !run || run === panel.id) return;
      for (const [path, other] of allNodes(this.root))
        if (other === node) remember(this.root.id, path, run);
      panel.recall(run);
    });
  }

  get root() {
    return this.app.rootGraph ?? this.app.graph;
  }

  /** @param {Message} message */
  hear(message) {
    remember(message.workflow, message.node, message.run);
    if (message.workflow && message.workflow !== this.root.id) return;
    const node = nodeAt(this.root, message.node);
    if (node) this.panels.get(node)?.hear(message);
  }

  /** @param {string} promptId */
  end(promptId) {
    for (const [, node] of allNodes(this.root)) {
      const panel = this.panels.get(node);
      if (panel?.promptId === promptId) panel.stop();
    }
  }

  /** Shows again what each node showed last: after a reload, an undo, a change of tabs. */
  recallAll() {
    for (const [path, node] of allNodes(this.root)) {
      const run = this.panels.has(node) && recall(this.root.id, path);
      if (run) this.panels.get(node)?.recall(run);
    }
  }
}
