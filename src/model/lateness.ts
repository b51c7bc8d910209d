/**
 * Milliseconds of real time by which a mock answers earlier at most, where the lab's own client says
 * that it was late in sending. A bound, so that a starved load generator can't hide.
 */
export const mostLateMs = 10;
