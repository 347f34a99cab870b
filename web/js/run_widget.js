/** Loops on their nodes: live events in, wishes out, past runs again after a reload. */

import { Aside } from "./aside.js";
import { after } from "./callbacks.js";
import { allNodes, nodeAt, setWidget } from "./graph.js";
import { mark } from "./mounts.js";
import { recall, remember } from "./results.js";
import { resumeText, resumeWidget } from "./resume.js";
import { chosenOf, emptyRun, take } from "./run_model.js";
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

const IN_A_GRAPH = "EmoFB_EndLoop";

/** The panel of one node, and the run that it shows. */
export class Panel {
  /**
   * @param {Comfy.App} app
   * @param {Comfy.Api} api
   * @param {Node} node
   */
  constructor(app, api, node) {
    this.app = app;
    this.api = api;
    this.node = node;
    this.id = "";
    this.promptId = "";
    this.run = emptyRun();
    this.going = false;
    this.note = "";
    this.asked = false;
    this.due = false;
    /** @type {import("./strip.js").Choice | null | undefined} undefined: nothing was clicked */
    this.clicked = undefined;
    // a stock sampler cannot be cut short, our own can
    this.cutAt =
      node.comfyClass === IN_A_GRAPH ? "when the sampler returns" : "at the next sampler step";
    this.view = createRunView({
      onAccept: () => this.accept(),
      onSkip: () =>
        this.wish("skip", { round: this.run.doing?.round }, "Skipping this round ...", true),
      onChoose: (choice) => this.choose(choice),
      onContinue: (rounds) => this.goOn(rounds),
      onStartOver: () => this.startOver(),
      cutAt: this.cutAt,
    });
  }

  get widget() {
    return resumeWidget(this.node, this.app.rootGraph ?? this.app.graph);
  }

  get choice() {
    return this.clicked === undefined ? chosenOf(this.run) : this.clicked;
  }

  /** Shows what is known, once a frame at most: rounds of many pictures come in bursts. */
  refresh() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      const ended = Boolean(this.run.ended && this.run.best);
      this.view.show(this.run, {
        going: this.going,
        asked: this.asked,
        note: this.note,
        choice: this.choice,
        resumable: ended && !this.note && Boolean(this.widget),
        resumes: !this.going && Boolean(this.widget?.value),
      });
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
    if (events.length) {
      this.note = "";
      this.asked = false;
    }
    this.refresh();
  }

  /** @param {string} run */
  begin(run) {
    this.id = run;
    this.run = emptyRun();
    this.going = false;
    this.note = "";
    this.asked = false;
    this.clicked = undefined;
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

  accept() {
    const when = this.run.doing?.skippable ? ` ${this.cutAt}` : "";
    return this.wish("accept", {}, `Stopping${when}, the best picture is kept ...`, true);
  }

  /**
   * Prefers a candidate, or leaves it to the gaps again: in the loop that runs, else in the next.
   * @param {import("./strip.js").Choice} choice
   */
  async choose(choice) {
    const { round, candidate } = this.choice ?? {};
    const again = choice.round === round && choice.candidate === candidate;
    const before = this.clicked;
    this.clicked = again ? null : choice;
    if (this.going) {
      const wanted = again ? { round: 0, candidate: 0 } : choice;
      const done = again
        ? "The smallest gap decides again from the next boundary on."
        : `Goes on from picture ${choice.candidate} of round ${choice.round} from the next boundary on.`;
      if (!(await this.wish("prefer", wanted, done, false))) this.clicked = before;
    }
    this.refresh();
  }

  /**
   * Queues the loop to go on from where this one ended.
   * @param {number} rounds
   */
  goOn(rounds) {
    const { widget } = this;
    if (!widget) return;
    setWidget(widget, resumeText(this.id, this.choice, rounds));
    this.app.queuePrompt(0, 1);
  }

  startOver() {
    if (this.widget) setWidget(this.widget, "");
    this.refresh();
  }

  /**
   * @param {"accept" | "skip" | "prefer"} what
   * @param {object} more
   * @param {string} done what to say when it was heard
   * @param {boolean} last nothing else can be asked until it is done
   */
  async wish(what, more, done, last) {
    const answer = await this.api
      .fetchApi(`${ADDRESS}${encodeURIComponent(this.id)}/${what}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ client_id: this.api.clientId ?? this.api.initialClientId, ...more }),
      })
      .catch(() => null);
    const refused = await answer?.json().catch(() => null);
    const heard = Boolean(answer?.ok);
    if (this.going) this.note = heard ? done : (refused?.error ?? "The server does not answer.");
    this.asked = this.going && heard && last;
    this.refresh();
    return heard;
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
    this.aside = new Aside((node) => new Panel(app, api, node));
  }

  /** Starts to listen to the server. */
  listen() {
    this.aside.register(this.app.extensionManager);
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
    const panel = new Panel(this.app, this.api, node);
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
    if (!node) return;
    this.panels.get(node)?.hear(message);
    this.aside.hear(node, message);
  }

  /** @param {string} promptId */
  end(promptId) {
    const shown = [...allNodes(this.root)].map(([, node]) => this.panels.get(node));
    for (const panel of [...shown, this.aside.panel])
      if (panel?.promptId === promptId) panel.stop();
  }

  /** Shows again what each node showed last: after a reload, an undo, a change of tabs. */
  recallAll() {
    let last = null;
    for (const [path, node] of allNodes(this.root)) {
      const run = this.panels.has(node) && recall(this.root.id, path);
      if (!run) continue;
      this.panels.get(node)?.recall(run);
      last = { node, run };
    }
    this.aside.show(last);
  }
}
