// What we use of noVNC, which has no types of its own (docs/API.md of the package).
declare module '@novnc/novnc' {
  interface RfbEvents {
    /** ServerInit was read. */
    connect: CustomEvent<object>;
    disconnect: CustomEvent<{ clean: boolean }>;
    /** What was copied on the desktop. */
    clipboard: CustomEvent<{ text: string }>;
  }

  export default class RFB extends EventTarget {
    /** Takes the channel over; throws for one that is closed. */
    constructor(target: Element, channel: WebSocket, options: { shared: boolean });
    viewOnly: boolean;
    scaleViewport: boolean;
    focusOnClick: boolean;
    background: string;
    disconnect(): void;
    focus(): void;
    clipboardPasteFrom(text: string): void;
    addEventListener<E extends keyof RfbEvents>(type: E, listener: (event: RfbEvents[E]) => void): void;
  }
}
