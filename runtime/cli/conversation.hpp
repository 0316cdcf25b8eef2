#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// A list of messages in OpenAI's form. What a message says beside its role and content is kept as it is.
class Conversation {
 public:
  /// Throws Error (bad_file) where the text is no JSON, or no list of objects each of which has a role.
  static Conversation parse(std::string_view json);

  void add(std::string_view role, std::string_view content);

  /// The system message, which comes first; empty: none.
  void set_system(std::string_view content);

  bool drop_answer();  ///< the last message, if the user did not write it
  bool drop_turn();    ///< the user's last message and what follows

  [[nodiscard]] bool awaits_answer() const;  ///< the user has the last word
  [[nodiscard]] std::string json() const;    ///< a message a line

 private:
  struct Message {
    std::string role, json;
  };
  std::vector<Message> messages_;
};

}  // namespace troupe::cli
