// The npm package x11 brings no types. These are the parts that we use, as its source at 4.2.2 has them.
declare module 'x11' {
  import type { Duplex } from 'node:stream';

  /** Called once. What it returns for an error says whether it has dealt with it; if not, the client emits 'error'. */
  export type Reply<T> = (error: Error | null | undefined, value: T) => boolean;

  export interface Client {
    readonly stream: Duplex;
    on(event: 'event', listener: (event: XEvent) => void): this;
    on(event: 'error', listener: (error: XError) => void): this;
    on(event: 'end', listener: () => void): this;
    removeListener(event: 'event', listener: (event: XEvent) => void): this;
    terminate(): void;
    AllocID(): number;
    require(name: 'xtest', done: Reply<XTest>): void;
    require(name: 'fixes', done: Reply<XFixes>): void;
    require(name: 'randr', done: Reply<RandR>): void;
    require(name: 'xkb', done: Reply<Xkb>): void;
    require(name: 'damage', done: Reply<Damage>): void;

    ChangeKeyboardMapping(firstKeycode: number, keysymsPerKeycode: number, keysyms: number[]): void;
    ChangeProperty(
      mode: number,
      window: number,
      property: number,
      type: number,
      format: number,
      data: Buffer | number[],
    ): void;
    ChangeWindowAttributes(window: number, values: { eventMask: number }): void;
    ConvertSelection(requestor: number, selection: number, target: number, property: number, time: number): void;
    CreateWindow(
      window: number,
      parent: number,
      x: number,
      y: number,
      width: number,
      height: number,
      borderWidth: number,
      depth: number,
      windowClass: number,
      visual: number,
      values: { eventMask?: number; backgroundPixel?: number },
    ): void;
    DestroyWindow(window: number): void;
    DeleteProperty(window: number, property: number): void;
    GetImage(
      format: number,
      drawable: number,
      x: number,
      y: number,
      width: number,
      height: number,
      planeMask: number,
      done: Reply<{ depth: number; data: Buffer }>,
    ): void;
    GetGeometry(drawable: number, done: Reply<{ width: number; height: number }>): void;
    GetInputFocus(done: Reply<unknown>): void;
    GetKeyboardMapping(firstKeycode: number, count: number, done: Reply<number[][]>): void;
    GetModifierMapping(done: Reply<number[][]>): void;
    GetProperty(
      deleteIt: number,
      window: number,
      property: number,
      type: number,
      offset: number,
      length: number,
      done: Reply<{ type: number; format: number; bytesAfter: number; data: Buffer }>,
    ): void;
    GetSelectionOwner(selection: number, done: Reply<number>): void;
    InternAtom(onlyIfExists: boolean, name: string, done: Reply<number>): void;
    MapWindow(window: number): void;
    /** 32 bytes, a bit a keycode. */
    QueryKeymap(done: Reply<Buffer>): void;
    QueryPointer(window: number, done: Reply<{ rootX: number; rootY: number; keyMask: number }>): void;
    /** To the window manager, where `destination` is the root window; `data` is five numbers where `format` is 32. */
    SendClientMessage(destination: number, window: number, type: number, format: number, data: number[]): void;
    SendEvent(destination: number, propagate: number, eventMask: number, event: Record<string, unknown>): void;
    TranslateCoordinates(
      source: number,
      destination: number,
      x: number,
      y: number,
      done: Reply<{ destX: number; destY: number }>,
    ): void;
    SetSelectionOwner(owner: number, selection: number, time: number): void;
  }

  /** An X error has `error` (its code); a failure of the connection has a system error's `code`. */
  export interface XError extends Error {
    error?: number;
    code?: string;
    majorOpcode?: number;
    minorOpcode?: number;
  }

  export interface Display {
    readonly client: Client;
    readonly min_keycode: number;
    readonly max_keycode: number;
    readonly screen: readonly { root: number }[];
  }

  export interface XTest {
    readonly KeyPress: number;
    readonly KeyRelease: number;
    readonly ButtonPress: number;
    readonly ButtonRelease: number;
    readonly MotionNotify: number;
    FakeInput(type: number, detail: number, time: number, window: number, x: number, y: number): void;
  }

  export interface CursorImage {
    x: number;
    y: number;
    width: number;
    height: number;
    xhot: number;
    yhot: number;
    cursorSerial: number;
    cursorImage: Buffer;
  }

  export interface XFixes {
    SelectCursorInput(window: number, mask: number): void;
    SelectSelectionInput(window: number, selection: number, mask: number): void;
    GetCursorImage(done: Reply<CursorImage>): void;
  }

  export interface ScreenInfo {
    timestamp: number;
    config_timestamp: number;
    sizeID: number;
    rotation: number;
    rate: number;
    /** For each size: a count, then as many rates. */
    rates: number[];
    screens: { px_width: number; px_height: number }[];
  }

  export interface RandR {
    SelectInput(window: number, mask: number): void;
    GetScreenInfo(window: number, done: Reply<ScreenInfo>): void;
    SetScreenConfig(
      window: number,
      time: number,
      configTime: number,
      sizeId: number,
      rotation: number,
      rate: number,
      done: Reply<{ status: number }>,
    ): void;
    GetScreenResourcesCurrent(window: number, done: Reply<{ outputs: number[] }>): void;
    CreateMode(window: number, mode: Record<string, number | string>, done: Reply<number>): void;
    AddOutputMode(output: number, mode: number): void;
  }

  export interface XkbState {
    /** What is in effect: held, latched or locked. */
    mods: number;
    lockedMods: number;
    group: number;
  }

  export interface Xkb {
    readonly UseCoreKbd: number;
    readonly EventType: { readonly NewKeyboardNotify: number; readonly MapNotify: number };
    SelectEvents(device: number, affected: number, clear: number, all: number, affectedMap: number, map: number): void;
    UseExtension(major: number, minor: number, done: Reply<{ supported: number }>): void;
    GetState(device: number, done: Reply<XkbState>): void;
    LatchLockState(
      device: number,
      affectModLocks: number,
      modLocks: number,
      lockGroup: boolean,
      groupLock: number,
      affectModLatches: number,
      modLatches: number,
      latchGroup: boolean,
      groupLatch: number,
    ): void;
  }

  export interface Damage {
    readonly ReportLevel: { readonly NonEmpty: number };
    Create(damage: number, drawable: number, level: number): void;
    Destroy(damage: number): void;
    Subtract(damage: number, repair: number, parts: number): void;
  }

  export type XEvent =
    | { name: 'DamageNotify'; damage: number }
    | { name: 'ClientMessage'; wid: number; message_type: number; data: number[] }
    | { name: 'MappingNotify'; request: number }
    /** `xkbType` numbers XKB's own events: 0 NewKeyboardNotify, 1 MapNotify. */
    | { name: 'XkbEvent'; xkbType: number }
    | {
        name: 'SelectionRequest';
        time: number;
        owner: number;
        requestor: number;
        selection: number;
        target: number;
        property: number;
      }
    | {
        name: 'SelectionNotify';
        requestor?: number;
        owner?: number;
        selection: number;
        target?: number;
        property?: number;
      }
    | { name: 'SelectionClear'; owner: number; selection: number }
    | { name: 'ConfigureNotify'; wid1: number }
    | { name: 'DestroyNotify'; wid: number }
    | { name: 'PropertyNotify'; wid: number; atom: number; state: number }
    | { name: 'CursorNotify'; cursorSerial: number }
    | { name: 'RRScreenChangeNotify'; width: number; height: number };

  const x11: {
    createClient(
      options: { display: string; shm?: boolean; auth?: { name: string; data: string } },
      done: Reply<Display>,
    ): Client;
    readonly eventMask: {
      readonly PropertyChange: number;
      readonly StructureNotify: number;
      readonly SubstructureNotify: number;
    };
  };
  export default x11;
}
