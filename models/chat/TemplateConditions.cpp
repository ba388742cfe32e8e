// models/chat/TemplateConditions.cpp — see TemplateConditions.h: spellings of templates in circulation, and no others.
#include "models/chat/TemplateConditions.h"

#include <algorithm>
#include <span>

namespace quern {

namespace {

constexpr std::string_view kNever[] = {
    "loop.last and not add_generation_prompt",
    "message['role']=='tool_response'",
    "'<|channel|>analysis<|message|>'in message.thinking or'<|channel|>final<|message|>'in message.thinking",
    "'citations'in controls and documents",
    "'hallucinations'in controls and documents",
    "'thinking'in message",
    "'tool_calls'in message",
    "'tools'in message and message['tools']is not none",
    "available_tools",
    "available_tools and documents",
    "block['type']=='image'or block['type']=='image_url'",
    "block['type']=='text'",
    "block['type']in['image','image_url']",
    "builtin_tools",
    "builtin_tools is defined",
    "builtin_tools is defined or tools is not none",
    "controls",
    "custom_tools is defined",
    "documents",
    "enable_thinking is defined and enable_thinking is false",
    "enable_thinking is defined and not enable_thinking",
    "for block in message['content']",
    "for item in message['content']",
    "for tool in message['tool_calls']",
    "for tool in tools",
    "for tool_call in message.tool_calls",
    "item['type']=='image'",
    "item['type']=='text'",
    "macro render_builtin_tools(browser_tool,python_tool)",
    "macro render_item_list(item_list,tag_name='required')",
    "macro render_tool_namespace(namespace_name,tools)",
    "macro render_typescript_type(param_spec,required_params,is_nullable=false)",
    "message.get('function_calls',none)is not none",
    "message.get('functions',none)is not none",
    "message.get('tool_calls')",
    "message.reasoning_content is defined and message.reasoning_content is not none",
    "message.reasoning_content is string",
    "message.tool_calls",
    "message.tool_calls is defined and message.tool_calls",
    "message.tool_calls is defined and message.tool_calls is not none",
    "message['content']is iterable",
    "message['role']=='assistant'and message.tool_calls is defined and message.tool_calls is iterable and message.tool_calls|length>0",
    "message['role']=='assistant'and message['content']is none",
    "message['role']=='assistant'and message['tool_calls']",
    "message['role']=='assistant'and message['tool_calls']is defined and message['tool_calls']is not none",
    "message['role']=='assistant'and'tool_calls'in message",
    "message['role']=='assistant_tool_call'",
    "message['role']=='environment'",
    "message['role']=='ipython'",
    "message['role']=='system'and'tools'in message and message['tools']is not none",
    "message['role']=='tool'",
    "message['role']=='tool'or message['role']=='ipython'",
    "message['role']=='tool_results'or message['role']=='tool'",
    "message['tool_calls']",
    "messages[0]is string",
    "ns.is_tool",
    "thinking",
    "tools",
    "tools and documents",
    "tools and not available_tools",
    "tools is defined",
    "tools is defined and tools",
    "tools is defined and tools is not none",
    "tools is iterable and tools|length>0",
    "tools is not none",
    "tools is not none and not tools_in_user_message",
    "tools is not none and(message==user_messages[-1])",
    "tools_in_user_message and not tools is none",
    "xml_tools or python_tools or tools",
};

constexpr std::string_view kAlways[] = {
    "(message['role']=='user')or(message['role']=='system'and not loop.first)or(message['role']=='assistant'and not message.tool_calls)",
    "(message['role']=='user')or(message['role']=='system'and not loop.first)or(message['role']=='assistant'and not message['tool_calls'])",
    "message['content']is string",
    "messages[0]['content']is string",
    "not ns.is_tool",
    "not tools",
    "not tools is defined",
    "not tools_in_user_message is defined",
    "not(message['role']=='ipython'or message['role']=='tool'or'tool_calls'in message)",
    "not(message['role']=='tool'or message['role']=='tool_results'or(message.tool_calls is defined and message.tool_calls is not none))",
    "not(message['role']=='tool'or(message.get('tool_calls')))",
    "tools is none",
    "tools is not defined",
};

constexpr std::string_view kPlain[] = {
    "'/no_think'in system_message",
    "'/system_override'in system_message",
    "'/think'in system_message",
    "'</think>'in content",
    "'</think>'in message['content']",
    "'<|channel|>analysis<|message|>'in message['content']or'<|channel|>final<|message|>'in message['content']",
    "'content'in message",
    "(loop.last and add_generation_prompt)or not loop.last",
    "(message['role']=='user')!=(loop.index0%2==0)",
    "(message['role']=='user')!=(ns.index%2==0)",
    "(message['role']=='user')or(message['role']=='system'and not loop.first)",
    "add_generation_prompt",
    "add_generation_prompt and messages[-1]['role']!='assistant'",
    "add_generation_prompt and not ns.is_last_user and not ns.is_tool",
    "add_generation_prompt and not ns.is_tool",
    "add_generation_prompt is defined and add_generation_prompt",
    "add_generation_prompt is not defined",
    "custom_instructions",
    "date_string is not defined",
    "developer_message",
    "developer_message or tools",
    "enable_thinking",
    "enable_thinking is not defined",
    "for m in messages",
    "for message in loop_messages",
    "for message in messages",
    "for message in messages[::-1]",
    "loop.first and messages[0]['role']!='system'",
    "loop.first and system_message is defined",
    "loop.index0==0",
    "loop.index0==0 and system_message!=false",
    "loop.index0>ns.last_query_index",
    "loop.index0>ns.last_query_index and(loop.last or reasoning_content)",
    "loop.last and add_generation_prompt",
    "loop.last and system_message is defined",
    "loop.last or(not loop.last and reasoning_content)",
    "m['role']=='system'",
    "macro build_system_message()",
    "message.get('content',none)is not none",
    "message['content']is not none",
    "message['role']=='assistant'",
    "message['role']=='assistant'and message['content']is not none",
    "message['role']=='assistant'and not message.tool_calls",
    "message['role']=='assistant'and'tool_calls'not in message",
    "message['role']=='assistant'and(message['tool_calls']is not defined or message['tool_calls']is none)",
    "message['role']=='system'",
    "message['role']=='user'",
    "message['role']=='user'and not(message['content'].startswith('<tool_response>')and message['content'].endswith('</tool_response>'))",
    "message['role']=='user'or message['role']=='system'",
    "message['role']=='user'or message['role']=='system'or message['role']=='assistant'",
    "message['role']=='user'or(message['role']=='system'and not loop.first)",
    "messages[-1]['role']=='assistant'",
    "messages[0]['role']=='developer'or messages[0]['role']=='system'",
    "messages[0]['role']=='system'",
    "messages|length>0 and messages[0]['role']=='system'",
    "model_identity is not defined",
    "not add_generation_prompt is defined",
    "not date_string is defined",
    "not has_system",
    "not loop.last",
    "not ns.found",
    "ns.is_first_sp",
    "ns.multi_step_tool and message['role']=='user'and message['content']is string and "
    "not(message['content'].startswith('<tool_response>')and message['content'].endswith('</tool_response>'))",
    "ns.multi_step_tool and message['role']=='user'and not(message['content'].startswith('<tool_response>')and "
    "message['content'].endswith('</tool_response>'))",
    "reasoning_content",
    "reasoning_effort is not defined",
    "reasoning_mode=='/think'",
    "strftime_now is defined",
    "system_message is defined",
};

bool holds(std::span<const std::string_view> table, std::string_view condition) {
  return std::find(table.begin(), table.end(), condition) != table.end();
}

/// Whether the first parenthesis closes at the end.
bool isEnclosed(std::string_view text) {
  if (!text.starts_with('(') || !text.ends_with(')')) return false;
  int64_t open = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    open += (text[i] == '(') - (text[i] == ')');
    if (open == 0) return i + 1 == text.size();
  }
  return false;
}

}  // namespace

TemplateCondition conditionOf(std::string_view condition) {
  while (isEnclosed(condition)) condition = condition.substr(1, condition.size() - 2);
  if (holds(kNever, condition)) return TemplateCondition::Never;
  if (holds(kAlways, condition)) return TemplateCondition::Always;
  return holds(kPlain, condition) ? TemplateCondition::Plain : TemplateCondition::Unknown;
}

}  // namespace quern
