import { randomUUID } from 'node:crypto'
import { forbidden, Refusal } from './refusal.ts'
import { privileges } from './check-params.ts'
import type { World } from './world.ts'

export interface Token {
  secret: string
  privsep: boolean
  /** Whether privsep was said at all: it then reads as a text where the token is made. */
  comment: string | undefined
  expire: number
}
export interface User {
  enable: boolean
  comment: string | undefined
  password: string | undefined
  tokens: Map<string, Token>
}
export interface AclEntry {
  path: string
  /** `user` or `token` id. */
  ugid: string
  type: 'user' | 'token'
  roleid: string
  propagate: boolean
}

/** Who calls: `root@pam`, or `user@realm!token`. */
export interface Caller {
  user: string
  /** Token's name, if it is one. */
  token: string | undefined
  /** What stands in UPIDs. */
  id: string
}

const builtIn: Record<string, string> = {
  Administrator: [...privileges].join(' '),
  NoAccess: '',
  PVEAuditor: 'Datastore.Audit Mapping.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit VM.GuestAgent.Audit',
  PVEVMUser: 'VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.GuestAgent.Audit VM.PowerMgmt',
}

/** Users, tokens, roles, rights: who may do what, with the cut of a token by its user's rights. */
export class Access {
  readonly users = new Map<string, User>([
    ['root@pam', { enable: true, comment: undefined, password: '<password>', tokens: new Map() }],
  ])
  readonly roles = new Map<string, string>(Object.entries(builtIn))
  acl: AclEntry[] = []
  readonly tickets = new Map<string, { user: string; csrf: string }>()
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  addToken(userid: string, name: string, token: Partial<Token>): Token {
    const made: Token = { secret: randomUUID(), privsep: true, comment: undefined, expire: 0, ...token }
    this.users.get(userid)?.tokens.set(name, made)
    return made
  }

  /** The caller of a request. Throws the three kinds of 401, with an empty body. */
  authenticate(
    headers: { authorization: string | undefined; cookie: string | undefined; csrf: string | undefined },
    verb: string,
  ): Caller {
    const failed = new Refusal(401, 'Authentication failed!', { empty: true })
    const { authorization, cookie } = headers
    if (authorization !== undefined) {
      const match = /^PVEAPIToken=([^!]+)!([^=]+)=(.+)$/.exec(authorization)
      if (match === null) throw failed
      const [, user = '', name = '', secret = ''] = match
      const token = this.users.get(user)?.tokens.get(name)
      const expired = token !== undefined && token.expire !== 0 && token.expire < this.#world.now()
      if (token === undefined || token.secret !== secret || expired || this.users.get(user)?.enable !== true) throw failed
      return { user, token: name, id: `${user}!${name}` }
    }
    const given = /PVEAuthCookie=([^;]+)/.exec(cookie ?? '')?.[1]
    if (given === undefined) throw new Refusal(401, 'No ticket', { empty: true })
    const ticket = this.tickets.get(decodeURIComponent(given))
    if (ticket === undefined) throw failed
    if (verb !== 'GET' && headers.csrf !== ticket.csrf) {
      throw new Refusal(401, 'Permission denied - invalid csrf token', { empty: true })
    }
    return { user: ticket.user, token: undefined, id: ticket.user }
  }

  isRoot(caller: Caller): boolean {
    return caller.user === 'root@pam' && caller.token === undefined
  }

  /** Privileges of a caller on a path: for a token with its own rights, those that its user has too. */
  on(caller: Caller, path: string): Set<string> {
    const ofUser = caller.user === 'root@pam' ? new Set(privileges) : this.#granted(caller.user, path)
    const token = caller.token === undefined ? undefined : this.users.get(caller.user)?.tokens.get(caller.token)
    if (token === undefined || !token.privsep) return ofUser
    const ofToken = this.#granted(caller.id, path)
    return new Set([...ofToken].filter((privilege) => ofUser.has(privilege)))
  }

  /** The nearest entries count; a VM also has what its pool gives. */
  #granted(ugid: string, path: string): Set<string> {
    const parts = path.split('/').filter((part) => part !== '')
    let found = new Set<string>()
    for (let length = 0; length <= parts.length; length++) {
      const at = `/${parts.slice(0, length).join('/')}`
      const here = this.acl.filter((e) => e.ugid === ugid && e.path === at && (e.propagate || length === parts.length))
      if (here.length > 0)
        found = new Set(here.flatMap((e) => (this.roles.get(e.roleid) ?? '').split(' ').filter((p) => p !== '')))
    }
    const [kind, id] = parts
    const pool = kind === 'vms' && parts.length === 2 ? this.#world.vms.get(Number(id))?.pool : undefined
    if (pool !== undefined) for (const privilege of this.#granted(ugid, `/pool/${pool}`)) found.add(privilege)
    return found
  }

  may(caller: Caller, path: string, ...wanted: string[]): boolean {
    const has = this.on(caller, path)
    return wanted.every((privilege) => has.has(privilege))
  }

  /** Throws 403 in the server's words, naming path and privilege. */
  require(caller: Caller, path: string, ...wanted: string[]): void {
    const has = this.on(caller, path)
    const missing = wanted.find((privilege) => !has.has(privilege))
    if (missing !== undefined) throw forbidden(`${path}, ${missing}`)
  }

  requireAny(caller: Caller, path: string, wanted: readonly string[]): void {
    const has = this.on(caller, path)
    if (!wanted.some((privilege) => has.has(privilege))) throw forbidden(`${path}, ${wanted.join('|')}`)
  }

  /** Evaluates the schema's own description of who may call a method. */
  check(caller: Caller, expression: unknown, values: Record<string, string>): void {
    if (!Array.isArray(expression)) return
    const [kind, ...rest] = expression as [string, ...unknown[]]
    switch (kind) {
      case 'and':
        for (const part of rest) this.check(caller, part, values)
        return
      case 'or': {
        const one = rest.some((part) => {
          try {
            this.check(caller, part, values)
            return true
          } catch {
            return false
          }
        })
        if (!one) throw forbidden()
        return
      }
      case 'perm': {
        const [template, wanted, ...options] = rest as [string, string[], ...unknown[]]
        const needs = options[options.indexOf('require_param') + 1]
        if (options.includes('require_param') && values[String(needs)] === undefined) throw forbidden()
        const path = template.replace(/\{([^}]+)\}/g, (_, name: string) => values[name] ?? '')
        if (options.includes('any')) this.requireAny(caller, path, wanted)
        else this.require(caller, path, ...wanted)
        return
      }
      case 'perm-modify':
        return this.require(
          caller,
          String(rest[0]).replace(/\{([^}]+)\}/g, (_, name: string) => values[name] ?? ''),
          'Permissions.Modify',
        )
      case 'userid-param': {
        const userid = values['userid'] ?? ''
        if (rest[0] === 'self') {
          if (userid !== caller.user) throw forbidden()
          return
        }
        return this.require(caller, `/access/realm/${userid.split('@').at(-1) ?? ''}`, String(rest[0]))
      }
      case 'userid-group':
        return this.requireAny(caller, '/access/groups', rest[0] as string[])
    }
  }
}
