import { readFile } from 'node:fs/promises'

/** A mirror of disks (md) of this machine, as the kernel tells it. */
export interface Mirror {
  /** Of the kernel, such as `md127`. */
  name: string
  disks: number
  working: number
  /** Per cent of the rebuild that is under way; undefined: none is. */
  rebuilt: number | undefined
}

/** Reads the text of `/proc/mdstat` (Linux, drivers/md/md.c, `md_seq_show`). What has no copies, such as raid0, is left out. Pure. */
export function parseMirrors(text: string): Mirror[] {
  return text.split(/^(?=\S)/m).flatMap((block) => {
    const name = /^(md\S*) : (?:in)?active/.exec(block)?.[1]
    const [, disks, working] = /\[(\d+)\/(\d+)\] \[[U_]+\]/.exec(block) ?? []
    if (name === undefined || disks === undefined || working === undefined) return []
    const rebuilt = /recovery = +([\d.]+)%/.exec(block)?.[1]
    return [
      {
        name,
        disks: Number(disks),
        working: Number(working),
        rebuilt: rebuilt === undefined ? undefined : Math.floor(Number(rebuilt)),
      },
    ]
  })
}

/** The mirrors of this machine: none where its kernel has no md. Throws what reading throws otherwise. */
export async function readMirrors(path = '/proc/mdstat'): Promise<Mirror[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return parseMirrors(text)
}
