/** OpenAI's answers as its client declares them. */
import type OpenAI from 'openai';

export type TheEmbeddings = OpenAI.CreateEmbeddingResponse;
export type TheModel = OpenAI.Model;
export type TheOpenaiError = {
  error: { message: string; type: string; param: string | null; code: string | null };
};
