export interface VncListener {
  /** The desktop's first picture is there. */
  shown(): void;
  /** The connection is over; why is the socket's to say. */
  ended(): void;
}

export interface VncPicture {
  /** Nothing is told any more, and the socket is closed. */
  close(): void;
}

/** Shows a desktop in the element, over a WebSocket that carries RFB; watches only: input takes other ways. */
export type OpenVncPicture = (target: HTMLElement, socket: WebSocket, listener: VncListener) => VncPicture;

/** What `vnc.js` has. */
export interface VncModule {
  openVncPicture: OpenVncPicture;
}
