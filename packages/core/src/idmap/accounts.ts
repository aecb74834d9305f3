/** An account of the host that has an id of its own. */
export interface AccountId {
  readonly name: string;
  readonly id: number;
}

/** The ids in the text of /etc/passwd or /etc/group: the third field of each line. Lines without one have no id. */
export function parseAccountIds(text: string): readonly AccountId[] {
  return text.split("\n").flatMap((line) => {
    const [, name, id] = /^([^:]+):[^:]*:(\d+):/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, id: Number(id) }];
  });
}
