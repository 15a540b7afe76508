/** A client's message that it may not send, or that makes no sense now. It is logged and dropped, as neko does. */
export class Refused extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'Refused';
  }
}
