// The small part of ComfyUI's page that web/js uses; its own types are 10 MB and name far more.

declare namespace Comfy {
  interface Slot {
    name: string;
    label?: string;
    localized_name?: string;
    link?: number | null;
    widget?: object;
  }

  interface Widget {
    name: string;
    label?: string;
    value: unknown;
    element?: HTMLElement;
    options?: { values?: unknown; hidden?: boolean };
    hidden?: boolean;
    serializeValue?: () => unknown;
    serialize?: boolean;
    callback?: (this: Widget, value: unknown, ...rest: unknown[]) => unknown;
  }

  interface Graph {
    id: string;
    nodes: Node[];
    getNodeById(id: string | number): Node | null | undefined;
  }

  interface Node {
    id: string | number;
    comfyClass?: string;
    title: string;
    graph?: Graph | null;
    subgraph?: Graph;
    widgets?: Widget[];
    inputs?: Slot[];
    outputs?: Slot[];
    getInputNode?(slot: number): Node | null;
    onConfigure?: (...rest: any[]) => unknown;
    onConnectionsChange?: (...rest: any[]) => unknown;
    onExecuted?: (...rest: any[]) => unknown;
    size: ArrayLike<number>;
    setSize(size: [number, number]): void;
    setDirtyCanvas?(foreground: boolean, background?: boolean): void;
    addDOMWidget(
      name: string,
      type: string,
      element: HTMLElement,
      options: {
        serialize: boolean;
        hideOnZoom: boolean;
        getMinHeight: () => number;
        onDraw?: () => void;
      },
    ): Widget;
    constructor: { nodeData?: { input?: { required?: Record<string, [unknown, any]> } } };
  }

  interface Setting {
    id: string;
    category: string[];
    name: string;
    tooltip?: string;
    type: "combo" | "boolean";
    options?: { text: string; value: string }[];
    defaultValue: unknown;
  }

  interface Extension {
    name: string;
    settings?: Setting[];
    setup?(): void;
    nodeCreated?(node: Node): void;
    afterConfigureGraph?(): void;
  }

  interface App {
    canvas: {
      graph: Graph | null;
      canvas: HTMLCanvasElement;
      default_connection_color_byType: Record<string, string>;
      constructor: { link_type_colors: Record<string, string> };
      emitBeforeChange(): void;
      emitAfterChange(): void;
    };
    graph: Graph;
    rootGraph?: Graph;
    extensionManager: {
      setting: { get(id: string): unknown };
      registerSidebarTab(tab: {
        id: string;
        icon: string;
        title: string;
        tooltip: string;
        type: "custom";
        render(element: HTMLElement): void;
        destroy(): void;
      }): void;
    };
    queuePrompt(number: number, count?: number): Promise<unknown>;
    registerExtension(extension: Extension): void;
  }

  interface Api {
    clientId?: string;
    initialClientId?: string | null;
    fetchApi(path: string, options?: RequestInit): Promise<Response>;
    addEventListener(name: string, listener: (event: CustomEvent<any>) => void): void;
    dispatchEvent(event: Event): boolean;
  }
}

declare module "*/scripts/app.js" {
  export const app: Comfy.App;
}

declare module "*/scripts/api.js" {
  export const api: Comfy.Api;
}
