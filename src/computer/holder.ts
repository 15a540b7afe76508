import { GatewayError } from '../errors.ts';

/** Who has the controls of a desktop. */
export interface Holder {
  kind: 'person' | 'program';
  name: string;
  /** When a program's hold ends unless it acts again; a person has no end but to let go. */
  until: string | null;
}

/** The controls are somebody else's. */
export class ControlRefusal extends GatewayError {
  /** Undefined where they went to nobody. */
  readonly holder: Holder | undefined;

  constructor(code: 'CONTROL_TAKEN' | 'CONTROL_LOST', message: string, holder: Holder | undefined) {
    super(code, message);
    this.holder = holder;
  }
}
