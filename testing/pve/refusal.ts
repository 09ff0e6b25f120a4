/** An answer of the server that is no success, in its own words. */
export class Refusal extends Error {
  readonly status: number
  readonly fields: Readonly<Record<string, string>> | undefined
  /** Some refusals have an empty body and no content type. */
  readonly empty: boolean

  constructor(status: number, reason: string, options: { fields?: Record<string, string>; empty?: boolean } = {}) {
    super(reason)
    this.status = status
    this.fields = options.fields
    this.empty = options.empty ?? false
  }
}

/** 400 for parameters. */
export function badParameter(fields: Record<string, string>): Refusal {
  return new Refusal(400, 'Parameter verification failed.', { fields })
}

/** 500 with the text of an exception. */
export function died(text: string): Refusal {
  return new Refusal(500, text)
}

export function noSuchVm(node: string, vmid: number): Refusal {
  return died(`Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist`)
}

/** 403; without words of what is missing where several things would do. */
export function forbidden(what?: string): Refusal {
  return new Refusal(403, what === undefined ? 'Permission check failed' : `Permission check failed (${what})`)
}
