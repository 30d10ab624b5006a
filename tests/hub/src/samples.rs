//! A small, realistic set of models.

use serde_json::json;

use crate::model::Model;

/// Returns custom models of this account (`support-bot-v2` and `ticket-summarizer` are inactive,
/// `flux-product-shots` is active), and base models, which include those of the reference. Two base
/// models are featured, and one is a favorite.
#[must_use]
pub fn samples(account: &str) -> Vec<Model> {
    let mut models = vec![claude(), flux(), kling(), qwen()];
    models.extend(custom().map(|model| model.owner(account)));
    models
}

fn claude() -> Model {
    let model = Model::base("claude-sonnet-4-6").provider("anthropic");
    model.favorite().featured().fields(json!({
        "display_name": "Claude Sonnet 4.6",
        "description": "Anthropic's balanced model for a wide range of tasks",
        "summary": "Balanced performance and speed",
        "capabilities": { "input": ["text", "image"], "output": ["text"] },
        "developer": { "name": "Anthropic", "logo": "https://example.com/anthropic.svg" },
    }))
}

fn flux() -> Model {
    let model = Model::base("flux-2-dev").provider("fal");
    model.featured().fields(json!({
        "display_name": "FLUX.2 dev",
        "description": "An open-weight model that makes and edits images",
        "summary": "Images from text",
        "endpoint": "/images/generate",
        "capabilities": { "input": ["text", "image"], "output": ["image"] },
        "pricing": { "method": "per_image", "cost_per_image": 0.025 },
        "fine_tuning": { "actions": ["text_to_image"], "cost_per_second": 0.0014 },
        "developer": { "name": "Black Forest Labs", "logo": "https://example.com/bfl.svg" },
        "image_url": "https://example.com/flux-2-dev.png",
        "released_at": "2025-11-25T00:00:00Z",
        "request_schema": {
            "type": "object",
            "required": ["prompt"],
            "properties": {
                "prompt": { "type": "string" },
                "num_inference_steps": { "type": "integer", "default": 28 },
            },
        },
    }))
}

fn kling() -> Model {
    let model = Model::base("kling-video-o3-pro-reference-to-video").provider("fal");
    model.fields(json!({
        "display_name": "Kling Video O3 Pro",
        "description": "Makes a video from reference images",
        "summary": "Videos from images",
        "endpoint": "/videos/generate",
        "capabilities": { "input": ["text", "image"], "output": ["video"] },
        "pricing": {
            "method": "per_video_output_second",
            "cost_per_second": 0.28,
            "cost_per_second_with_audio": 0.35,
        },
        "developer": { "name": "Kling", "logo": "https://example.com/kling.svg" },
        "released_at": "2026-02-05T00:00:00Z",
        "request_schema": {
            "type": "object",
            "required": ["prompt", "image_urls"],
            "properties": {
                "prompt": { "type": "string" },
                "image_urls": { "type": "array", "items": { "type": "string" } },
                "duration": { "type": "integer", "minimum": 3, "maximum": 15 },
            },
        },
    }))
}

fn qwen() -> Model {
    Model::base("qwen-3-8b").fields(json!({
        "display_name": "Qwen 3 8B",
        "description": "A small open-weight model that is quick to fine-tune",
        "summary": "Small and quick",
        "pricing": { "method": "token", "input_cost_per_token": 1.8e-7, "output_cost_per_token": 7e-7 },
        "fine_tuning": { "actions": ["text_generation"], "cost_per_second": 0.0011 },
        "developer": { "name": "Qwen", "logo": "https://example.com/qwen.svg" },
        "released_at": "2025-04-28T00:00:00Z",
    }))
}

fn custom() -> [Model; 3] {
    let support_bot = Model::custom("support-bot-v2").fields(json!({
        "display_name": "Support Bot v2",
        "description": "Answers customers' questions in the words of our help pages",
        "summary": "Customer support",
    }));
    let product_shots = Model::custom("flux-product-shots")
        .status("active")
        .fields(json!({
            "display_name": "Product Shots",
            "description": "Our products on a clean background",
            "endpoint": "/images/generate",
            "capabilities": { "input": ["text"], "output": ["image"] },
            "pricing": { "method": "time", "cost_per_second": 0.0014 },
            "source_model": "flux-2-dev",
            "request_schema": {
                "type": "object",
                "required": ["prompt"],
                "properties": { "prompt": { "type": "string" } },
            },
        }));
    let summarizer = Model::custom("ticket-summarizer").fields(json!({
        "display_name": "Ticket Summarizer",
        "summary": "Three lines for a long ticket",
    }));
    [support_bot, product_shots, summarizer]
}
