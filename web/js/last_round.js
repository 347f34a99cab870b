/** After a run that came from the cache: what the nodes inside a loop showed last, not first. */

/**
 * ComfyUI keeps what a node of the canvas showed, but not what its copies of later rounds did; the
 * history of the prompt in which the loop ran has those, in their order.
 */
export class LastRound {
  /** @param {Comfy.Api} api */
  constructor(api) {
    this.api = api;
    /** @type {Map<string, Set<string>>} prompt -> prompts whose loops it got from the cache */
    this.cached = new Map();
  }

  /** Starts to listen to the server. */
  listen() {
    this.api.addEventListener("executed", ({ detail }) => {
      const from = detail?.output?.emofb_prompt?.[0];
      if (typeof from !== "string" || !from || from === detail.prompt_id) return;
      const known = this.cached.get(detail.prompt_id) ?? new Set();
      this.cached.set(detail.prompt_id, known.add(from));
    });
    this.api.addEventListener("execution_success", ({ detail }) => {
      for (const from of this.cached.get(detail?.prompt_id) ?? []) this.show(from);
      this.cached.delete(detail?.prompt_id);
    });
  }

  /** @param {string} prompt */
  async show(prompt) {
    const answer = await this.api
      .fetchApi(`/history/${encodeURIComponent(prompt)}`)
      .catch(() => null);
    const found = answer?.ok ? await answer.json().catch(() => null) : null;
    const { outputs = {}, meta = {} } = found?.[prompt] ?? {};
    const last = new Map();
    for (const [node, output] of Object.entries(outputs)) {
      const shown = meta[node]?.display_node ?? node;
      if (shown !== node && !output.emofb_run) last.set(shown, output);
    }
    for (const [node, output] of last) {
      const detail = { node, display_node: node, output, prompt_id: prompt };
      this.api.dispatchEvent(new CustomEvent("executed", { detail }));
    }
  }
}
