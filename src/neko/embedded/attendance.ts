import type { Session } from './session.ts';

interface Group {
  readonly present: Set<string>;
  lastLeftAt: Date | undefined;
}

/** Who is connected, for the statistics: how many, and since when nobody is. */
export class Attendance {
  readonly #users: Group = { present: new Set(), lastLeftAt: undefined };
  readonly #admins: Group = { present: new Set(), lastLeftAt: undefined };

  entered(session: Session): void {
    const group = session.profile.is_admin ? this.#admins : this.#users;
    group.present.add(session.id);
    group.lastLeftAt = undefined;
  }

  /** Whatever it was when it came: a profile may have changed since. */
  left(session: Session): void {
    for (const group of [this.#users, this.#admins]) {
      if (group.present.delete(session.id) && group.present.size === 0) group.lastLeftAt = new Date();
    }
  }

  /** As neko's /api/stats has them. */
  get stats(): Record<string, number | string> {
    return {
      total_users: this.#users.present.size,
      ...(this.#users.lastLeftAt && { last_user_left_at: this.#users.lastLeftAt.toISOString() }),
      total_admins: this.#admins.present.size,
      ...(this.#admins.lastLeftAt && { last_admin_left_at: this.#admins.lastLeftAt.toISOString() }),
    };
  }
}
