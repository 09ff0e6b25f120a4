import { randomBytes } from 'node:crypto'
import { flagged, optional, text, type Context, type Routes } from '../context.ts'
import { badParameter, died, Refusal } from '../refusal.ts'
import { privileges } from '../check-params.ts'

const expireOf = (c: Context) => Number(optional(c, 'expire') ?? 0)

/** Users, tokens, roles, rights. */
export const accessRoutes: Routes = {
  'POST /access/ticket': (c) => {
    const name = text(c, 'username')
    const password = text(c, 'password')
    const user = c.access.users.get(name)
    const renewed = c.access.tickets.get(password)?.user === name
    if (user === undefined || !(user.password === password || renewed)) throw new Refusal(401, 'authentication failure')
    const hexTime = c.world.now().toString(16).toUpperCase()
    const ticket = `PVE:${name}:${hexTime}::${randomBytes(64).toString('base64')}`
    const csrf = `${hexTime}:${randomBytes(32).toString('base64')}`
    c.access.tickets.set(ticket, { user: name, csrf })
    const all = (prefix: RegExp, ...more: string[]) =>
      Object.fromEntries([...privileges].filter((p) => prefix.test(p) || more.includes(p)).map((p) => [p, 1]))
    const cap = {
      access: { 'Group.Allocate': 1, 'Permissions.Modify': 1, 'User.Modify': 1 },
      dc: all(/^SDN\./, 'Sys.Audit', 'Sys.Modify'),
      mapping: all(/^Mapping\./, 'Permissions.Modify'),
      nodes: all(/^Sys\./, 'Permissions.Modify'),
      sdn: all(/^SDN\./, 'Permissions.Modify'),
      storage: all(/^Datastore\./, 'Permissions.Modify'),
      vms: all(/^VM\./, 'Permissions.Modify'),
    }
    return { CSRFPreventionToken: csrf, cap, ticket, username: name }
  },
  'GET /access/users': (c) => [...c.access.users].map(([userid, user]) => ({ userid, enable: Number(user.enable), expire: 0 })),
  'POST /access/users': (c) => {
    const userid = text(c, 'userid')
    if (c.access.users.has(userid)) throw died(`create user failed: user '${userid}' already exists`)
    c.access.users.set(userid, {
      enable: optional(c, 'enable') === undefined || flagged(c, 'enable'),
      comment: optional(c, 'comment'),
      password: optional(c, 'password'),
      tokens: new Map(),
    })
  },
  'PUT /access/users/{userid}': (c) => {
    const user = c.access.users.get(text(c, 'userid'))
    if (user === undefined) throw died(`update user failed: no such user ('${text(c, 'userid')}')`)
    if (optional(c, 'enable') !== undefined) user.enable = flagged(c, 'enable')
  },
  'DELETE /access/users/{userid}': (c) => {
    const userid = text(c, 'userid')
    c.access.users.delete(userid)
    c.access.acl = c.access.acl.filter((e) => e.ugid.split('!')[0] !== userid)
  },
  'GET /access/users/{userid}/token': (c) =>
    [...(c.access.users.get(text(c, 'userid'))?.tokens ?? [])].map(([tokenid, token]) => ({
      tokenid,
      expire: token.expire,
      privsep: Number(token.privsep),
      ...(token.comment !== undefined && { comment: token.comment }),
    })),
  'GET /access/users/{userid}/token/{tokenid}': (c) => {
    const token = c.access.users.get(text(c, 'userid'))?.tokens.get(text(c, 'tokenid'))
    if (token === undefined) throw died(`no such token '${text(c, 'tokenid')}' for user '${text(c, 'userid')}'`)
    return {
      expire: token.expire,
      privsep: Number(token.privsep),
      ...(token.comment !== undefined && { comment: token.comment }),
    }
  },
  'POST /access/users/{userid}/token/{tokenid}': (c) => {
    const [userid, name] = [text(c, 'userid'), text(c, 'tokenid')]
    const user = c.access.users.get(userid)
    if (user === undefined) throw died(`no such user ('${userid}')`)
    if (user.tokens.has(name)) throw badParameter({ tokenid: 'Token already exists.' })
    const said = optional(c, 'privsep')
    const token = c.access.addToken(userid, name, {
      privsep: said === undefined || flagged(c, 'privsep'),
      comment: optional(c, 'comment'),
      expire: expireOf(c),
    })
    const info = {
      ...(token.comment !== undefined && { comment: token.comment }),
      ...(optional(c, 'expire') !== undefined && { expire: text(c, 'expire') }),
      // said, it reads as a text; not said, as a number
      privsep: said ?? 1,
    }
    return { 'full-tokenid': `${userid}!${name}`, info, value: token.secret }
  },
  'DELETE /access/users/{userid}/token/{tokenid}': (c) => {
    const [userid, name] = [text(c, 'userid'), text(c, 'tokenid')]
    c.access.users.get(userid)?.tokens.delete(name)
    c.access.acl = c.access.acl.filter((e) => e.ugid !== `${userid}!${name}`)
  },
  'GET /access/roles': (c) =>
    [...c.access.roles].map(([roleid, privs]) => ({ roleid, privs: privs.split(' ').join(','), special: 0 })),
  'GET /access/roles/{roleid}': (c) => {
    const privs = c.access.roles.get(text(c, 'roleid'))
    if (privs === undefined) throw died(`role '${text(c, 'roleid')}' does not exist`)
    return Object.fromEntries(privs.split(' ').map((privilege) => [privilege, 1]))
  },
  'POST /access/roles': (c) => {
    const roleid = text(c, 'roleid')
    if (c.access.roles.has(roleid)) throw died(`create role failed: role '${roleid}' already exists`)
    c.access.roles.set(roleid, privilegesOf(c))
  },
  'PUT /access/roles/{roleid}': (c) => {
    const roleid = text(c, 'roleid')
    const before = c.access.roles.get(roleid)
    if (before === undefined) throw died(`role '${roleid}' does not exist`)
    c.access.roles.set(roleid, flagged(c, 'append') ? `${before} ${privilegesOf(c)}` : privilegesOf(c))
  },
  'GET /access/acl': (c) =>
    c.access.acl
      .filter((e) => c.access.may(c.caller, e.path, 'Permissions.Modify'))
      .map((e) => ({ path: e.path, propagate: Number(e.propagate), roleid: e.roleid, type: e.type, ugid: e.ugid })),
  'PUT /access/acl': (c) => {
    const path = text(c, 'path')
    for (const roleid of text(c, 'roles').split(/[,; ]+/)) {
      if (!c.access.roles.has(roleid)) throw died(`ACL update failed: role '${roleid}' does not exist`)
      for (const type of ['user', 'token'] as const) {
        for (const ugid of (optional(c, `${type}s`) ?? '').split(/[,; ]+/).filter((id) => id !== '')) {
          const [userid = '', token] = ugid.split('!')
          const user = c.access.users.get(userid)
          if (user === undefined) throw died(`ACL update failed: user '${userid}' does not exist`)
          if (token !== undefined && !user.tokens.has(token))
            throw died(`ACL update failed: no such token '${token}' for user '${userid}'`)
          c.access.acl = c.access.acl.filter((e) => !(e.path === path && e.ugid === ugid && e.roleid === roleid))
          if (flagged(c, 'delete')) continue
          const propagate = optional(c, 'propagate') === undefined || flagged(c, 'propagate')
          c.access.acl.push({ path, ugid, type, roleid, propagate })
        }
      }
    }
  },
  'GET /access/permissions': (c) => {
    const wanted = optional(c, 'path')
    const ask = c.access.acl.filter((e) => e.ugid === c.caller.id || e.ugid === c.caller.user).map((e) => e.path)
    const paths =
      wanted !== undefined
        ? [wanted]
        : ask.length > 0 || c.caller.user === 'root@pam'
          ? [...new Set([...ask, ...usualPaths])]
          : []
    const found = paths.map(
      (path) => [path, Object.fromEntries([...c.access.on(c.caller, path)].sort().map((p) => [p, 1]))] as const,
    )
    return Object.fromEntries(found.filter(([path, has]) => path === wanted || Object.keys(has).length > 0))
  },
}

/** What the server lists beside the paths of the entries. Source: recorded. */
const usualPaths = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms']

function privilegesOf(c: Context): string {
  return (optional(c, 'privs') ?? '')
    .split(/[,; ]+/)
    .filter((p) => p !== '')
    .join(' ')
}
