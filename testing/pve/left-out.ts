// Records that the replay leaves out, by method and path: no typed route of the client names them, and the stand-in does not
// play them. Each with its reason. Tests hold that no pattern reaches a path the client calls.

export interface LeftOut {
  what: RegExp
  because: string
}

export const leftOut: readonly LeftOut[] = [
  {
    what: /^(GET|PUT) \/nodes\/[^/]+\/qemu\/\d+\/cloudinit/,
    because: 'the generated cloud-init drive is not used: the seed is the same everywhere',
  },
  { what: /^POST \/nodes\/[^/]+\/vzdump$/, because: 'backups are the operator’s' },
  { what: /^(POST|GET|DELETE) \/cluster\/backup/, because: 'backup jobs are the operator’s' },
  {
    what: /^POST \/nodes\/[^/]+\/storage\/[^/]+\/download-url$/,
    because: 'images are fetched, checked and uploaded by ourselves',
  },
  { what: /^GET \/nodes\/[^/]+\/qemu\/\d+\/rrddata$/, because: 'metrics are read from the status' },
  { what: /^GET \/nodes\/[^/]+\/qemu\/\d+\/agent\/(get-osinfo|info|file-read)$/, because: 'not asked of a guest' },
  { what: /^POST \/nodes\/[^/]+\/qemu\/\d+\/agent\/(file-write|set-user-password)$/, because: 'nothing is written into a guest' },
  { what: /^GET \/cluster\/(log|tasks)$/, because: 'tasks are read from their node' },
  { what: /^(POST|DELETE) \/nodes\/[^/]+\/network$/, because: 'bridges are the operator’s' },
]
