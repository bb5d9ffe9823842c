/** What a recipient is told after the dot, where the mailbox itself knows the reason. */
import { ok, REPLIES, type Reply, refuse } from '@sluice/smtp-listener'

export const OVER_QUOTA = refuse(452, '4.2.2', 'quota', 'the account is over its quota')
export const LOOP = refuse(554, '5.4.6', 'loop', 'this account has had the message before (Delivered-To)')
const DISK_FULL = refuse(452, '4.3.1', 'full', 'no room on the mailbox server')

export const isRefusal = (reply: Reply): boolean => reply.code >= 400

export const delivered = (address: string): Reply => ok(250, '2.0.0', `delivered to <${address}>`)

/** The reply for a fault of our own while writing: the peer learns whether to wait, the log learns why. */
export const replyForFault = (fault: unknown): Reply => {
  const code = fault instanceof Error && 'code' in fault ? String(fault.code) : ''
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) ? DISK_FULL : REPLIES.notStored
}
