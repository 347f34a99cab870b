/** The loop that ran last, in the sidebar: its own panel may lie inside a block, out of sight. */

import { html } from "./element.js";

/** @typedef {Comfy.Node} Node */
/** @typedef {import("./run_widget.js").Panel} Panel */

const NONE = "No emotion loop has run in this workflow yet.";

export class Aside {
  /** @param {(node: Node) => Panel} make a panel that lies on no node */
  constructor(make) {
    this.make = make;
    /** @type {HTMLElement | null} where the tab is open */
    this.place = null;
    /** @type {Panel | null} */
    this.panel = null;
    /** @type {{node: Node, run: string} | null} */
    this.last = null;
  }

  /** @param {Comfy.App["extensionManager"]} manager */
  register(manager) {
    manager.registerSidebarTab({
      id: "emofeedback",
      icon: "pi pi-heart",
      title: "Emotion",
      tooltip: "Emotion loop: its way, Accept and Skip, also from inside a block",
      type: "custom",
      render: (element) => {
        this.place = element;
        this.show();
      },
      destroy: () => {
        this.place = null;
        this.panel = null;
      },
    });
  }

  /**
   * @param {Node} node
   * @param {import("./run_widget.js").Message} message
   */
  hear(node, message) {
    this.last = { node, run: message.run };
    if (!this.place) return;
    this.mount(node).hear(message);
  }

  /**
   * Shows the loop that ran last, whose graph may be another than before.
   * @param {{node: Node, run: string} | null} [last] null in a graph where none did
   */
  show(last = this.last) {
    this.last = last;
    if (!this.place) return;
    if (last) {
      this.mount(last.node).recall(last.run);
    } else {
      this.panel = null;
      this.place.replaceChildren(html("p", { class: "emofb-aside" }, NONE));
    }
  }

  /** @param {Node} node */
  mount(node) {
    if (this.panel?.node !== node) {
      this.panel = this.make(node);
      this.place?.replaceChildren(html("div", { class: "emofb-aside" }, this.panel.view.element));
    }
    return this.panel;
  }
}
