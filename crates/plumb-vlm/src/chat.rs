//! Chat templates: dialogues to the text that a model was trained on.
//!
//! The template of the checkpoint is run in minijinja with a budget of steps, so that a hostile template ends in an
//! error. A checkpoint without one gets the family's own format.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value as TemplateValue, context};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Result, VlmError};
use crate::files::ModelFiles;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Content {
    /// The next image of the prompt.
    Image,
    /// Text, verbatim.
    Text { text: String },
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: Vec<Content>,
}

impl Message {
    /// A user's turn: `images` images, then `text`.
    #[must_use]
    pub fn user(images: usize, text: impl Into<String>) -> Self {
        let mut content = vec![Content::Image; images];
        content.push(Content::Text { text: text.into() });
        Self { role: Role::User, content }
    }
}

/// The format of the SmolVLM family: one `<|im_start|>` for the dialogue, `Role:` with a space unless an image
/// follows, `<end_of_utterance>` and a newline after each turn, `Assistant:` to answer.
const FAMILY_TEMPLATE: &str = "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}\
{% if message['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}\
{% for item in message['content'] %}{% if item['type'] == 'image' %}<image>{% else %}{{ item['text'] }}{% endif %}{% endfor %}\
<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}";

/// Steps that a template may take: thousands of times what a real one needs.
const FUEL: u64 = 2_000_000;

/// A template ready to render.
#[derive(Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    file: String,
}

impl ChatTemplate {
    /// The template of `files`: `chat_template.jinja`, else `chat_template.json`, else the one within
    /// `tokenizer_config.json`, else the family's own.
    ///
    /// # Errors
    /// Malformed JSON or template.
    pub fn from_files(files: &ModelFiles) -> Result<Self> {
        if let Some(bytes) = files.get("chat_template.jinja") {
            return Self::new("chat_template.jinja", String::from_utf8_lossy(bytes).into_owned());
        }
        for file in ["chat_template.json", "tokenizer_config.json"] {
            let value: Option<Value> = files.json(file)?;
            if let Some(text) = value.as_ref().and_then(|v| v.get("chat_template")).and_then(Value::as_str) {
                return Self::new(file, text.to_owned());
            }
        }
        Self::new("built in", FAMILY_TEMPLATE.to_owned())
    }

    fn new(file: &str, source: String) -> Result<Self> {
        let fail = |e: minijinja::Error| VlmError::Template { file: file.to_owned(), reason: e.to_string() };
        let mut environment = Environment::new();
        // As the reference sets up its own engine: block lines leave no white space behind.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(fail)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |text: String| -> std::result::Result<String, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, text))
            },
        );
        environment.add_template_owned("chat", source).map_err(fail)?;
        Ok(Self { environment: Arc::new(environment), file: file.to_owned() })
    }

    /// The text of `messages`, with the start of the assistant's turn where `generate`.
    ///
    /// # Errors
    /// When the template fails, refuses the dialogue, or does not end.
    pub fn render(&self, messages: &[Message], generate: bool) -> Result<String> {
        let run = || {
            self.environment.get_template("chat")?.render(context! {
                messages => TemplateValue::from(Serde(messages)),
                add_generation_prompt => generate,
                bos_token => "<|im_start|>",
                eos_token => "<end_of_utterance>",
            })
        };
        run().map_err(|e| VlmError::Template { file: self.file.clone(), reason: e.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_format_follows_its_rules() {
        let template = ChatTemplate::new("built in", FAMILY_TEMPLATE.to_owned()).unwrap();
        let text = |text: &str| Content::Text { text: text.into() };
        let messages = [
            Message { role: Role::System, content: vec![text("Be brief.")] },
            Message::user(1, "Hi {{x}}"),
            Message { role: Role::Assistant, content: vec![text("Yes.")] },
            Message { role: Role::User, content: vec![text("And "), Content::Image] },
        ];
        assert_eq!(
            template.render(&messages, true).unwrap(),
            "<|im_start|>System: Be brief.<end_of_utterance>\nUser:<image>Hi {{x}}<end_of_utterance>\n\
             Assistant: Yes.<end_of_utterance>\nUser: And <image><end_of_utterance>\nAssistant:"
        );
    }

    #[test]
    fn hostile_templates_end_in_an_error() {
        for source in [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{{ raise_exception('no system turn') }}",
            "{{ messages.nothing.deeper }}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        ] {
            let template = ChatTemplate::new("t", source.to_owned()).unwrap();
            template.render(&[Message::user(0, "x")], true).unwrap_err();
        }
        assert!(ChatTemplate::new("t", "{% if".to_owned()).is_err());
    }
}
