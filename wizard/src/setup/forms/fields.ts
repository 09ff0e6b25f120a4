import type { SectionView, Value } from '../resources.ts'

/** Spread onto a control: which place of the answer it is, and what the host found wrong there. */
export interface Wrong {
  error: string | undefined
  /** JSON pointers, parted by spaces: whoever leads to the field finds it by them. */
  'data-pointer': string
}

/** What the fields of a page get: the answer as it stands, and what the host found wrong about it by JSON pointer. */
export interface FieldsProps {
  value: Value
  onChange(value: Value): void
  /** For a control that stands for these pointers. */
  wrong(...pointers: string[]): Wrong
  /** What went wrong with an act of its own within the page, so that it stands at the fields; undefined: nothing any more. */
  tell(error: unknown): void
  /** The host has kept an answer to this page otherwise than by its button. */
  saved(section: SectionView): Promise<void>
  /** All answers, for pages that lean on earlier ones. */
  sections: readonly SectionView[]
}

/** A text as a whole number where it is one; else as it is, so that the host can say what is wrong with it. */
export function numberOf(text: string): number | string {
  return /^-?[0-9]{1,15}$/.test(text.trim()) ? Number(text) : text
}
