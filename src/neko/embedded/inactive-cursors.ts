import type { Room } from './room.ts';
import type { Session } from './session.ts';

// neko's period.
const TELL_EVERY_MS = 750;
// More moves of one session within a period than any hand makes; the oldest go.
const CURSORS_MAX = 1000;

type Place = Record<'x' | 'y', number>;

/** Where those who don't drive point, told to those who may see it, while the settings say so. */
export class InactiveCursors {
  readonly #room: Room;
  readonly #stopWatching: () => void;
  #moves = new Map<string, Place[]>();
  #timer: NodeJS.Timeout | undefined;
  #wasEmpty = true;

  constructor(room: Room) {
    this.#room = room;
    this.#stopWatching = room.watchSettings(() => this.#follow());
    this.#follow();
  }

  /** Notes where a session that is not host points now. */
  set(session: Session, place: Place): void {
    if (this.#timer === undefined || !session.profile.sends_inactive_cursor) return;
    const moves = this.#moves.get(session.id) ?? [];
    moves.push(place);
    if (moves.length > CURSORS_MAX) moves.shift();
    this.#moves.set(session.id, moves);
  }

  close(): void {
    this.#stopWatching();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #follow(): void {
    const isWanted = this.#room.settings.inactive_cursors;
    if (isWanted === (this.#timer !== undefined)) return;
    this.#moves = new Map();
    this.#wasEmpty = true;
    if (isWanted) {
      this.#timer = setInterval(() => this.#tell(), TELL_EVERY_MS);
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#send([]);
  }

  /** An empty list is told once, so that the last cursors go. */
  #tell(): void {
    const moves = this.#moves;
    this.#moves = new Map();
    const isEmpty = moves.size === 0;
    if (isEmpty && this.#wasEmpty) return;
    this.#wasEmpty = isEmpty;
    this.#send([...moves].map(([id, cursors]) => ({ id, cursors })));
  }

  #send(cursors: { id: string; cursors: Place[] }[]): void {
    for (const session of this.#room.sessions) {
      if (session.state.is_connected && session.profile.can_see_inactive_cursors)
        session.send('session/cursors', cursors);
    }
  }
}
